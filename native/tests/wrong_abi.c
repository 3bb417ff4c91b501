/* A library whose border has a version that nobody knows. The loader must refuse it. */
#include "enetjs.h"

double enetjs_abi_version(void) { return 999; }
