/* See shared_library.h. */
#include "base/shared_library.h"

#include <stddef.h>

#if defined(_WIN32)

#include <string.h>

#include "base/net.h"

/* The path of a file beside this library. @returns false where it is too long */
static bool beside(const char *name, wchar_t *path, size_t capacity) {
  static const char anchor; /* tells which library this code is in */
  HMODULE self;
  DWORD length;
  if (!GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT |
                              GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                          (LPCWSTR)(const void *)&anchor, &self))
    return false;
  length = GetModuleFileNameW(self, path, (DWORD)capacity);
  while (length > 0 && path[length - 1] != L'\\') length--;
  if (length + strlen(name) + 1 > capacity) return false;
  return MultiByteToWideChar(CP_UTF8, 0, name, -1, path + length, (int)(capacity - length)) > 0;
}

/* Otherwise from the folder of the program or of the system, never from the current folder. */
void *enetjs_shared_library_open(const char *name) {
  wchar_t path[1024];
  HMODULE library = NULL;
  if (beside(name, path, sizeof(path) / sizeof(*path)))
    library = LoadLibraryExW(path, NULL, LOAD_WITH_ALTERED_SEARCH_PATH);
  return (void *)(library ? library : LoadLibraryExA(name, NULL, LOAD_LIBRARY_SEARCH_DEFAULT_DIRS));
}

void *enetjs_shared_library_symbol(void *library, const char *name) {
  return (void *)GetProcAddress((HMODULE)library, name);
}

#else

#include <dlfcn.h>

/* The library's RUNPATH has its own folder. */
void *enetjs_shared_library_open(const char *name) { return dlopen(name, RTLD_NOW | RTLD_LOCAL); }

void *enetjs_shared_library_symbol(void *library, const char *name) { return dlsym(library, name); }

#endif
