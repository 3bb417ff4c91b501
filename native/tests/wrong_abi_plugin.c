/* A plugin built for another version of the header, which must be refused. */
#include "enetjs_plugin.h"

static const struct enetjs_plugin plugin = {.abi_version = ENETJS_PLUGIN_ABI_VERSION + 7};

const struct enetjs_plugin *enetjs_plugin_interface(void) { return &plugin; }
