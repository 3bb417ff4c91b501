/*
 * Calls hooks when a thread ends, and when the process does.
 *
 * Invariant: hooks are only ever added, so the list can be walked without a lock. At the exit of a process
 * the system may have stopped other threads anywhere, with locks held. Any thread may call.
 */
#include "base/exit.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#ifdef __APPLE__
#include <dlfcn.h>
#endif
#ifndef _WIN32
#include <unistd.h>
#endif

#include "base/threads.h"

static _Atomic(struct enetjs_exit_hook *) newest;

static enetjs_once watched = ENETJS_ONCE_INIT;
static ENETJS_THREAD_LOCAL char this_thread;
static enetjs_key exit_key;
static bool has_exit_key;

/*
 * A thread that ends without closing its hosts was terminated, as Workers are. A pump can notice that,
 * because the other end of its wake-up is closed. But a host may have no pump, and not every runtime closes
 * the descriptors of a terminated Worker.
 */
static void ENETJS_KEY_CALL on_thread_exit(void *thread) {
  for (struct enetjs_exit_hook *hook = atomic_load(&newest); hook; hook = hook->next)
    hook->on_thread_exit(thread);
}

const void *enetjs_this_thread(void) {
  return has_exit_key && enetjs_key_set(exit_key, &this_thread) ? &this_thread : NULL;
}

/*
 * The library stays loaded, because its threads and its hooks may be running when a runtime unloads it. On
 * Linux the linker sees to that (CMakeLists.txt).
 */
static void stay_loaded(void) {
#if defined(_WIN32)
  HMODULE self;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                     (LPCWSTR)(void *)&newest, &self);
#elif defined(__APPLE__)
  Dl_info self;
  if (dladdr((const void *)&newest, &self) != 0)
    dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
#endif
}

/*
 * The process that registered the first hook. A child that was forked off and exits before it has become
 * another program has none of our threads, and must not send to our peers.
 */
#ifndef _WIN32
static pid_t owner_process;
#endif

static void on_process_exit(void) {
#ifndef _WIN32
  if (getpid() != owner_process) return;
#endif
  for (struct enetjs_exit_hook *hook = atomic_load(&newest); hook; hook = hook->next) hook->on_process_exit();
}

static void watch(void) {
#ifndef _WIN32
  owner_process = getpid();
#endif
  stay_loaded();
  atexit(on_process_exit);
#ifdef __linux__
  at_quick_exit(on_process_exit); /* Bun ends with quick_exit on Linux */
#endif
  has_exit_key = enetjs_key_create(&exit_key, on_thread_exit);
}

void enetjs_exit_register(struct enetjs_exit_hook *hook) {
  hook->next = atomic_load(&newest);
  while (!atomic_compare_exchange_weak(&newest, &hook->next, hook)) continue;
  enetjs_once_run(&watched, watch);
}
