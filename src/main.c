/* larder: the program's entry */
#include <stdio.h>

#include "config.h"

int main(void) {
    return puts(PACKAGE_STRING) < 0 ? 1 : 0;
}
