/* larder: what a run of the load generator tells */
#include "bench/report.h"

#include <inttypes.h>
#include <stdio.h>

static double per(double amount, uint64_t count) {
    return count == 0 ? 0.0 : amount / (double)count;
}

static double quantile_us(const struct report *report, double share) {
    return (double)hist_quantile_ns(&report->hist, share) / 1e3;
}

void report_add_worker(struct report *report, const struct worker *worker) {
    tally_merge(&report->tally, &worker->tally);
    hist_merge(&report->hist, &worker->hist);
    report->client_ns += worker->cpu_ns;
    report->late_ops += worker->late_ops;
    report->unfinished_ops += worker->in_flight;
}

void report_print_line(const struct report *report) {
    const struct tally *tally = &report->tally;
    double seconds = report->seconds > 0.0 ? report->seconds : 1e-9;
    double server_ns = (double)report->server.run_ns;
    double client_ns = (double)report->client_ns;
    printf("result phase=%s seconds=%.3f ops=%" PRIu64 " keys=%" PRIu64 " ops_per_s=%.0f"
           " keys_per_s=%.0f",
           report->phase, report->seconds, tally->ops, tally->keys, (double)tally->ops / seconds,
           (double)tally->keys / seconds);
    printf(" hits=%" PRIu64 " misses=%" PRIu64 " stored=%" PRIu64 " errors=%" PRIu64
           " bad=%" PRIu64,
           tally->hits, tally->misses, tally->stored, tally->errors, tally->bad);
    printf(" mean_us=%.2f p50_us=%.2f p90_us=%.2f p99_us=%.2f p999_us=%.2f max_us=%.2f",
           hist_mean_ns(&report->hist) / 1e3, quantile_us(report, 0.5), quantile_us(report, 0.9),
           quantile_us(report, 0.99), quantile_us(report, 0.999),
           (double)report->hist.max_ns / 1e3);
    printf(" client_us_per_key=%.4f client_busy=%.3f late=%" PRIu64 " unfinished=%" PRIu64,
           per(client_ns / 1e3, tally->keys), client_ns / 1e9 / seconds, report->late_ops,
           report->unfinished_ops);
    if (report->has_server)
        printf(" server_us_per_key=%.4f server_busy=%.3f server_wait=%.3f server_threads=%" PRIu32,
               per(server_ns / 1e3, tally->keys), server_ns / 1e9 / seconds,
               (double)report->server.wait_ns / 1e9 / seconds, report->server.threads);
    putchar('\n');
}

void report_print_text(const struct report *report) {
    const struct tally *tally = &report->tally;
    double seconds = report->seconds > 0.0 ? report->seconds : 1e-9;
    printf("%s: %.2f s, %" PRIu64 " requests (%.0f a second), %" PRIu64 " keys (%.0f a second)\n",
           report->phase, report->seconds, tally->ops, (double)tally->ops / seconds, tally->keys,
           (double)tally->keys / seconds);
    printf("  replies   %" PRIu64 " hits, %" PRIu64 " misses, %" PRIu64 " stored, %" PRIu64
           " server errors, %" PRIu64 " wrong\n",
           tally->hits, tally->misses, tally->stored, tally->errors, tally->bad);
    printf("  latency   p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  max %.1f us\n",
           quantile_us(report, 0.5), quantile_us(report, 0.9), quantile_us(report, 0.99),
           quantile_us(report, 0.999), (double)report->hist.max_ns / 1e3);
    if (report->late_ops > 0)
        printf("  late      %" PRIu64 " requests were due and not yet sent at the end\n",
               report->late_ops);
    printf("  client    %.3f us of CPU a key, %.0f %% of a core\n",
           per((double)report->client_ns / 1e3, tally->keys),
           (double)report->client_ns / 1e7 / seconds);
    if (report->has_server)
        printf("  server    %.3f us of CPU a key, %.0f %% of a core, %.0f %% waiting for one\n",
               per((double)report->server.run_ns / 1e3, tally->keys),
               (double)report->server.run_ns / 1e7 / seconds,
               (double)report->server.wait_ns / 1e7 / seconds);
}

void report_print_faults(const struct report *report) {
    if (report->tally.bad > 0)
        fprintf(stderr, "larder-load: %" PRIu64 " wrong replies, the first: %s\n",
                report->tally.bad, report->tally.first_bad);
    if (report->tally.errors > 0)
        fprintf(stderr, "larder-load: %" PRIu64 " server errors, the first: %s\n",
                report->tally.errors, report->tally.first_error);
}
