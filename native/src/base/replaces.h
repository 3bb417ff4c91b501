/**
 * @file replaces.h
 * @brief How libenetjs defines functions of ENet in place of ENet's own: two for sockets, two for the clock.
 *
 * They are exported, so that the system's libenet finds them by the ordinary lookup of symbols. Where ENet is
 * built in (ENETJS_ENET_BUILT_IN), the linker finds them, and they are hidden: other code in the process has
 * its own libenet, and neither calls the other's functions.
 */
#ifndef ENETJS_REPLACES_H
#define ENETJS_REPLACES_H

#include "enetjs.h"

#ifdef ENETJS_ENET_BUILT_IN
#define ENETJS_REPLACES
#else
#define ENETJS_REPLACES ENETJS_API
#endif

#endif
