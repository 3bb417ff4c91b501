/*
 * Loads plugins with the system's loader. Where it refuses one, finds out why: no such file, another
 * platform, or a fault of the library itself. Called by the thread of the channel.
 */
#include "channel/plugin.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "enetjs.h"

#define INTERFACE "enetjs_plugin_interface"
#define TEXT_SINCE 2 /* the version of the header that brought `name` and `version` */

typedef const struct enetjs_plugin *(*interface_function)(void);

#if defined(_WIN32)

#include <windows.h>

static int library_open(void **library, const char *path, char *reason, size_t size) {
  wchar_t wide[32768];
  DWORD error;
  if (!MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, sizeof(wide) / sizeof(*wide)))
    return ENETJS_ERR_PLUGIN_MISSING;
  *library = (void *)LoadLibraryExW(wide, NULL, LOAD_WITH_ALTERED_SEARCH_PATH);
  if (*library) return 0;
  error = GetLastError();
  snprintf(reason, size, "Windows error %lu", (unsigned long)error);
  if (GetFileAttributesW(wide) == INVALID_FILE_ATTRIBUTES) return ENETJS_ERR_PLUGIN_MISSING;
  return error == ERROR_BAD_EXE_FORMAT ? ENETJS_ERR_PLUGIN_PLATFORM : ENETJS_ERR_PLUGIN_LOAD;
}

static interface_function library_interface(void *library) {
  return (interface_function)(void *)GetProcAddress((HMODULE)library, INTERFACE);
}

static void library_close(void *library) { FreeLibrary((HMODULE)library); }

#else

#include <dlfcn.h>
#include <errno.h>
#include <sys/stat.h>

static const char anchor; /* its address tells which file this code was loaded from */

/* The beginning of a library: in ELF format, class, byte order …, machine; in Mach-O magic and processor. */
struct identity {
  unsigned char bytes[20];
};

static bool identify(const char *path, struct identity *identity) {
  FILE *file = fopen(path, "rb");
  bool read;
  if (!file) return false;
  read = fread(identity->bytes, sizeof(identity->bytes), 1, file) == 1;
  fclose(file);
  return read;
}

/* Whether a file looks like a library for the platform that this code was built for. */
static bool fits_platform(const char *path) {
  struct identity its, ours;
  Dl_info self;
  if (!dladdr((const void *)&anchor, &self) || !identify(self.dli_fname, &ours)) return true;
  if (!identify(path, &its)) return false;
#if defined(__APPLE__)
  return memcmp(its.bytes, ours.bytes, 8) == 0;
#else
  return memcmp(its.bytes, ours.bytes, 6) == 0 && memcmp(its.bytes + 18, ours.bytes + 18, 2) == 0;
#endif
}

static int library_open(void **library, const char *path, char *reason, size_t size) {
  struct stat status;
  const char *error;
  *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (*library) return 0;
  error = dlerror();
  snprintf(reason, size, "%s", error ? error : "no reason given");
  if (stat(path, &status) != 0 && (errno == ENOENT || errno == ENOTDIR)) return ENETJS_ERR_PLUGIN_MISSING;
  return fits_platform(path) ? ENETJS_ERR_PLUGIN_LOAD : ENETJS_ERR_PLUGIN_PLATFORM;
}

static interface_function library_interface(void *library) {
  interface_function function;
  void *symbol = dlsym(library, INTERFACE);
  memcpy(&function, &symbol, sizeof(function)); /* ISO C has no cast between the two */
  return function;
}

static void library_close(void *library) { dlclose(library); }

#endif

static int check_functions(const struct enetjs_plugin *functions, char *reason, size_t size) {
  if (!functions) {
    snprintf(reason, size, INTERFACE "() returned NULL");
    return ENETJS_ERR_PLUGIN_SYMBOL;
  }
  if (functions->abi_version < 1 || functions->abi_version > ENETJS_PLUGIN_ABI_VERSION) {
    snprintf(reason, size, "it has %u, this library needs 1 to %d", (unsigned)functions->abi_version,
             ENETJS_PLUGIN_ABI_VERSION);
    return ENETJS_ERR_PLUGIN_ABI;
  }
  if (!functions->initialize || !functions->process_message) {
    snprintf(reason, size, "it has no %s", functions->initialize ? "process_message" : "initialize");
    return ENETJS_ERR_PLUGIN_SYMBOL;
  }
  return 0;
}

int enetjs_channel_plugin_load(struct enetjs_channel_plugin *plugin, const char *path, char *reason,
                               size_t size) {
  interface_function entry;
  int result = library_open(&plugin->library, path, reason, size);
  if (result < 0) return result;
  entry = library_interface(plugin->library);
  if (!entry) {
    snprintf(reason, size, "it does not export " INTERFACE);
    result = ENETJS_ERR_PLUGIN_SYMBOL;
  } else {
    plugin->functions = entry();
    result = check_functions(plugin->functions, reason, size);
  }
  if (result < 0) enetjs_channel_plugin_unload(plugin);
  return result;
}

void enetjs_channel_plugin_text(const struct enetjs_channel_plugin *plugin, int which,
                                char text[ENETJS_CHANNEL_PLUGIN_TEXT]) {
  const struct enetjs_plugin *functions = plugin->functions;
  const char *given = NULL;
  /* The struct of an older plugin ends before these members. */
  if (functions->abi_version >= TEXT_SINCE) given = which == 0 ? functions->name : functions->version;
  snprintf(text, ENETJS_CHANNEL_PLUGIN_TEXT, "%s", given ? given : "");
}

void enetjs_channel_plugin_unload(struct enetjs_channel_plugin *plugin) {
  library_close(plugin->library);
  plugin->library = NULL;
  plugin->functions = NULL;
}
