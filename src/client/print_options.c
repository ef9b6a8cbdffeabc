/* larder: prints the options of liblarder for its manual page, liblarder.3 */
#include "src/base/text.h"
#include "src/client/larder.h"

int main(void) {
    struct larder_option option;

    for (unsigned i = 0; larder_option_at(i, &option); i++) {
        (void)printf(".TP\n.B ");
        text_write_roff(stdout, option.name);
        if (option.initial[0] != '\0') {
            (void)printf(" \\fR(");
            text_write_roff(stdout, option.initial);
            (void)printf(")");
        }
        (void)printf("\n");
        text_write_roff(stdout, option.doc);
        (void)printf(".\n");
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
