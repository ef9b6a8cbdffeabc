/* larder: rings in the terminal
 *
 * Purpose: a ring as a disc, two pixels a character cell, each server in its colour; and bars in
 *   the same colours. Where the terminal cannot or must not, bars are plain and there is no disc.
 * Owner: the caller.   Threads: one.   Memory: none kept.
 * Limits: 12 colours, which servers share when there are more.
 * Errors: those of stdout, which the caller asks for at the end. */
#ifndef LARDER_CLIENT_CTL_PICTURE_H
#define LARDER_CLIENT_CTL_PICTURE_H

#include "src/client/ctl.h"

struct ctl_canvas {
    unsigned columns; /* of the terminal, or 80 */
    bool colours;
};

struct ctl_canvas ctl_canvas_of(enum ctl_picture picture);

/* Draws the ring on stdout. The disc begins above and goes with the clock. A mode with a circle
 * shows whose arc each direction is in; the others show shares as sectors. */
void ctl_picture_ring(const struct ring *ring, const double *shares);

/* Draws a bar of `part` (0 to 1) of `columns`. */
void ctl_picture_bar(struct ctl_canvas canvas, uint32_t server, double part, unsigned columns);

#endif
