/* A library whose ABI version does not exist. The loader must refuse it. */
#include "enetjs.h"

double enetjs_abi_version(void) { return 999; }
