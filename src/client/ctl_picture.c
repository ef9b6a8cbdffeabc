/* larder: rings in the terminal */
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "src/client/ctl_picture.h"

enum {
    DISC_PIXELS = 36, /* its diameter; two rows of pixels are a row of text */
    NO_COLOUR = 0,
    COLUMNS_MIN = 60,
    COLUMNS_MAX = 160,
};

static const double hole = 0.45; /* its radius, as a part of the disc's */

/* Of the 256 colours of xterm: apart from each other, and seen on black and on white. */
static const unsigned char colours[] = {33, 208, 34, 169, 44, 160, 142, 99, 137, 75, 245, 28};

static unsigned colour_of(uint32_t server) {
    return colours[server % sizeof colours];
}

static bool terminal_can(void) {
    const char *term = getenv("TERM");
    const char *no = getenv("NO_COLOR");

    return isatty(STDOUT_FILENO) && term != NULL && strcmp(term, "dumb") != 0 &&
           (no == NULL || no[0] == '\0') && setlocale(LC_CTYPE, "") != NULL &&
           strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

struct ctl_canvas ctl_canvas_of(enum ctl_picture picture) {
    struct ctl_canvas canvas = {.columns = 80, .colours = picture == CTL_PICTURE_ALWAYS};
    struct winsize size;

    if (picture == CTL_PICTURE_AUTO) {
        canvas.colours = terminal_can();
    }
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        canvas.columns = size.ws_col < COLUMNS_MIN   ? COLUMNS_MIN
                         : size.ws_col > COLUMNS_MAX ? COLUMNS_MAX
                                                     : size.ws_col;
    }
    return canvas;
}

/* Who has the sector at this part of the circle. */
static uint32_t sector_owner(const double *shares, uint32_t server_count, double turn) {
    uint32_t index = 0;

    for (double end = shares[0]; end <= turn && index + 1 < server_count; end += shares[index]) {
        index++;
    }
    return index;
}

/* The colour of a pixel, or NO_COLOUR outside the disc. */
static unsigned pixel(const struct ring *ring, const double *shares, unsigned x, unsigned y) {
    const double radius = DISC_PIXELS / 2.0;
    double right = x + 0.5 - radius;
    double up = radius - y - 0.5;
    double distance = sqrt(right * right + up * up) / radius;

    if (distance > 1 || distance < hole) {
        return NO_COLOUR;
    }
    double turn = atan2(right, up) / (2 * M_PI);
    uint32_t server;

    turn = turn < 0 ? turn + 1 : turn;
    if (!ring_owner_at(ring, (uint32_t)(turn * UINT32_MAX), &server)) {
        server = sector_owner(shares, ring_server_count(ring), turn);
    }
    return colour_of(server);
}

/* Two pixels, one above the other, in a cell. */
static void print_cell(unsigned above, unsigned below) {
    if (above == NO_COLOUR && below == NO_COLOUR) {
        (void)fputc(' ', stdout);
    } else if (below == NO_COLOUR) {
        (void)printf("\033[38;5;%um\u2580\033[0m", above);
    } else if (above == NO_COLOUR) {
        (void)printf("\033[38;5;%um\u2584\033[0m", below);
    } else {
        (void)printf("\033[38;5;%u;48;5;%um\u2580\033[0m", above, below);
    }
}

void ctl_picture_ring(const struct ring *ring, const double *shares) {
    for (unsigned y = 0; y < DISC_PIXELS; y += 2) {
        (void)fputs("  ", stdout);
        for (unsigned x = 0; x < DISC_PIXELS; x++) {
            print_cell(pixel(ring, shares, x, y), pixel(ring, shares, x, y + 1));
        }
        (void)fputc('\n', stdout);
    }
    (void)fputc('\n', stdout);
}

void ctl_picture_bar(struct ctl_canvas canvas, uint32_t server, double part, unsigned columns) {
    unsigned full = (unsigned)(part * columns + 0.5);

    full = full > columns ? columns : full;
    if (canvas.colours) {
        (void)printf("\033[38;5;%um", colour_of(server));
    }
    for (unsigned i = 0; i < full; i++) {
        (void)fputs(canvas.colours ? "\u2588" : "#", stdout);
    }
    if (canvas.colours) {
        (void)fputs("\033[0m", stdout);
    }
}
