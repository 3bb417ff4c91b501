/* Preloaded into a process: libsodium cannot be loaded there. */
#include <dlfcn.h>
#include <string.h>

void *dlopen(const char *file, int flags) {
  void *(*next)(const char *, int);
  if (file && strstr(file, "libsodium")) return NULL;
  *(void **)&next = dlsym(RTLD_NEXT, "dlopen");
  return next(file, flags);
}
