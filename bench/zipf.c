/* larder: Zipf-distributed ranks */
#include "bench/zipf.h"

#include <math.h>

/* The hat is h(x) = x^-skew, its integral H(x) = (x^(1-skew) - 1) / (1-skew), which tends to ln x
 * as skew tends to 1. Near 1 the quotient loses all its digits, so both directions go through
 * expm1 and log1p: H(x) = expm1(t) / (1-skew) with t = (1-skew) ln x. */
static const double NEARLY_ZERO = 1e-9;

static double hat(const struct zipf *zipf, double x) {
    return exp(-zipf->skew * log(x));
}

static double hat_area(const struct zipf *zipf, double x) {
    double e = 1.0 - zipf->skew;
    double log_x = log(x);
    return fabs(e) < NEARLY_ZERO ? log_x : expm1(e * log_x) / e;
}

static double hat_area_inverse(const struct zipf *zipf, double area) {
    double e = 1.0 - zipf->skew;
    if (fabs(e) < NEARLY_ZERO)
        return exp(area);
    double inner = area * e;
    return exp(log1p(inner > -1.0 ? inner : -1.0) / e);
}

void zipf_init(struct zipf *zipf, uint64_t ranks, double skew) {
    zipf->skew = skew;
    zipf->ranks = (double)ranks;
    zipf->area_first = hat_area(zipf, 1.5) - 1.0;
    zipf->area_last = hat_area(zipf, zipf->ranks + 0.5);
    zipf->squeeze = 2.0 - hat_area_inverse(zipf, hat_area(zipf, 2.5) - hat(zipf, 2.0));
}

uint64_t zipf_next(const struct zipf *zipf, struct rng *rng) {
    double span = zipf->area_first - zipf->area_last;
    for (;;) {
        double area = zipf->area_last + rng_unit(rng) * span;
        double x = hat_area_inverse(zipf, area);
        double rank = floor(x + 0.5);
        if (rank < 1.0)
            rank = 1.0;
        if (rank > zipf->ranks)
            rank = zipf->ranks;
        if (rank - x <= zipf->squeeze || area >= hat_area(zipf, rank + 0.5) - hat(zipf, rank))
            return (uint64_t)rank - 1;
    }
}
