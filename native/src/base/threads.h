/**
 * @file threads.h
 * @brief Threading primitives over pthreads and Win32: mutex, condition, thread, once, and a thread-local key
 * with a destructor. Each is there twice, with the same contract; its comment stands at the pthreads one,
 * too.
 *
 * Functions that can fail return true on success. Only enetjs_thread_start allocates: a start record, which
 * the new thread frees.
 */
#ifndef ENETJS_THREADS_H
#define ENETJS_THREADS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef _WIN32
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <process.h>
#include <windows.h>
#else
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#endif

#include "base/clock.h"

/*
 * With the default TLS model of position-independent code, because runtimes load the library by dlopen:
 * initial-exec would take room from a small static reserve, and where that is used up the library would not
 * load.
 */
#ifdef _MSC_VER
#define ENETJS_THREAD_LOCAL __declspec(thread)
#else
#define ENETJS_THREAD_LOCAL _Thread_local
#endif

/* What a thread of the library costs: address space, and memory where it is locked. Nothing here recurses. */
#define ENETJS_THREAD_STACK_BYTES (256 * 1024)

typedef void (*enetjs_thread_main)(void *argument);

struct enetjs_thread_record {
  enetjs_thread_main run;
  void *argument;
};

static inline void enetjs_thread_record_run(struct enetjs_thread_record *record) {
  struct enetjs_thread_record copy = *record;
  free(record);
  copy.run(copy.argument);
}

static inline struct enetjs_thread_record *enetjs_thread_record_new(enetjs_thread_main run, void *argument) {
  struct enetjs_thread_record *record = malloc(sizeof(*record));
  if (record) {
    record->run = run;
    record->argument = argument;
  }
  return record;
}

#ifdef _WIN32

/* A mutex; not recursive. */
typedef SRWLOCK enetjs_mutex;

#define ENETJS_MUTEX_INIT SRWLOCK_INIT

static inline bool enetjs_mutex_init(enetjs_mutex *mutex) {
  InitializeSRWLock(mutex);
  return true;
}

static inline void enetjs_mutex_destroy(enetjs_mutex *mutex) { (void)mutex; }

static inline void enetjs_mutex_lock(enetjs_mutex *mutex) { AcquireSRWLockExclusive(mutex); }

static inline bool enetjs_mutex_trylock(enetjs_mutex *mutex) {
  return TryAcquireSRWLockExclusive(mutex) != 0;
}

static inline void enetjs_mutex_unlock(enetjs_mutex *mutex) { ReleaseSRWLockExclusive(mutex); }

/* What threads wait for with a mutex held; they may wake without a reason. */
typedef CONDITION_VARIABLE enetjs_cond;

static inline bool enetjs_cond_init(enetjs_cond *cond) {
  InitializeConditionVariable(cond);
  return true;
}

static inline void enetjs_cond_broadcast(enetjs_cond *cond) { WakeAllConditionVariable(cond); }

/* Milliseconds of a monotonic clock; GetTickCount64 would count in steps of 16. */
static inline uint64_t enetjs_now_ms(void) { return enetjs_clock_us() / 1000; }

/* Waits until the deadline of enetjs_now_ms at the latest; UINT64_MAX waits without end. */
static inline void enetjs_cond_wait(enetjs_cond *cond, enetjs_mutex *mutex, uint64_t deadline_ms) {
  uint64_t now = enetjs_now_ms();
  uint64_t rest = deadline_ms > now ? deadline_ms - now : 0;
  SleepConditionVariableSRW(cond, mutex, rest < INFINITE ? (DWORD)rest : INFINITE, 0);
}

/*
 * Two handles, because a thread may be joined by a destructor of a key, at the exit of another thread.
 * Windows lets one thread at a time exit, so the joined one cannot, and `thread` would not be signalled.
 * `returned` is signalled before that. A thread that Windows has ended at the exit of the process only has
 * the other.
 */
typedef struct enetjs_thread {
  HANDLE thread, returned;
} enetjs_thread;

struct enetjs_thread_start {
  struct enetjs_thread_record *record;
  HANDLE returned;
};

static inline unsigned __stdcall enetjs_thread_entry(void *argument) {
  struct enetjs_thread_start start = *(struct enetjs_thread_start *)argument;
  free(argument);
  enetjs_thread_record_run(start.record);
  SetEvent(start.returned);
  CloseHandle(start.returned);
  return 0;
}

/* @returns NULL, or what the new thread frees, with a handle of its own */
static inline struct enetjs_thread_start *enetjs_thread_start_new(enetjs_thread_main run, void *argument,
                                                                  HANDLE returned) {
  struct enetjs_thread_start *start = malloc(sizeof(*start));
  HANDLE process = GetCurrentProcess();
  if (!start) return NULL;
  start->record = enetjs_thread_record_new(run, argument);
  if (start->record &&
      DuplicateHandle(process, returned, process, &start->returned, 0, FALSE, DUPLICATE_SAME_ACCESS))
    return start;
  free(start->record);
  free(start);
  return NULL;
}

/* Starts a thread that calls run(argument). It must be joined or detached exactly once. */
static inline bool enetjs_thread_start_sized(enetjs_thread *thread, enetjs_thread_main run, void *argument,
                                             size_t stack_bytes) {
  struct enetjs_thread_start *start = NULL;
  thread->returned = CreateEventW(NULL, TRUE, FALSE, NULL);
  if (thread->returned) start = enetjs_thread_start_new(run, argument, thread->returned);
  if (start) {
    thread->thread = (HANDLE)_beginthreadex(NULL, (unsigned)stack_bytes, enetjs_thread_entry, start,
                                            STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
    if (thread->thread) return true;
    CloseHandle(start->returned);
    free(start->record);
    free(start);
  }
  if (thread->returned) CloseHandle(thread->returned);
  return false;
}

/* Releases the thread, which goes on by itself. */
static inline void enetjs_thread_detach(enetjs_thread thread) {
  CloseHandle(thread.thread);
  CloseHandle(thread.returned);
}

/* Waits for the thread to return and releases it. */
static inline void enetjs_thread_join(enetjs_thread thread) {
  WaitForMultipleObjects(2, &thread.thread, FALSE, INFINITE);
  enetjs_thread_detach(thread);
}

static inline void enetjs_thread_yield(void) { SwitchToThread(); }

/* Sleeps for less than a tenth of a millisecond, where the system can. */
static inline void enetjs_thread_doze(void) { SwitchToThread(); }

typedef INIT_ONCE enetjs_once;

#define ENETJS_ONCE_INIT INIT_ONCE_STATIC_INIT

struct enetjs_once_call {
  void (*run)(void);
};

static inline BOOL CALLBACK enetjs_once_entry(PINIT_ONCE once, PVOID call, PVOID *context) {
  (void)once;
  (void)context;
  ((struct enetjs_once_call *)call)->run();
  return TRUE;
}

/* Calls run once per process; every caller returns after that call has finished. */
static inline void enetjs_once_run(enetjs_once *once, void (*run)(void)) {
  struct enetjs_once_call call = {run};
  InitOnceExecuteOnce(once, enetjs_once_entry, &call, NULL);
}

/*
 * A per-thread pointer that is handed to the destructor when its thread exits. A destructor is
 * declared `static void ENETJS_KEY_CALL name(void *value)`.
 */
typedef DWORD enetjs_key;

#define ENETJS_KEY_CALL WINAPI

static inline bool enetjs_key_create(enetjs_key *key, void(ENETJS_KEY_CALL *destructor)(void *)) {
  *key = FlsAlloc(destructor);
  return *key != FLS_OUT_OF_INDEXES;
}

static inline bool enetjs_key_set(enetjs_key key, void *value) { return FlsSetValue(key, value) != 0; }

#else

/* A mutex; not recursive. */
typedef pthread_mutex_t enetjs_mutex;

#define ENETJS_MUTEX_INIT PTHREAD_MUTEX_INITIALIZER

static inline bool enetjs_mutex_init(enetjs_mutex *mutex) { return pthread_mutex_init(mutex, NULL) == 0; }

static inline void enetjs_mutex_destroy(enetjs_mutex *mutex) { pthread_mutex_destroy(mutex); }

static inline void enetjs_mutex_lock(enetjs_mutex *mutex) { pthread_mutex_lock(mutex); }

static inline bool enetjs_mutex_trylock(enetjs_mutex *mutex) { return pthread_mutex_trylock(mutex) == 0; }

static inline void enetjs_mutex_unlock(enetjs_mutex *mutex) { pthread_mutex_unlock(mutex); }

/* What threads wait for with a mutex held; they may wake without a reason. */
typedef pthread_cond_t enetjs_cond;

static inline bool enetjs_cond_init(enetjs_cond *cond) {
#ifdef __APPLE__
  return pthread_cond_init(cond, NULL) == 0; /* macOS waits for a relative time, see enetjs_cond_wait */
#else
  pthread_condattr_t attributes;
  bool initialized;
  if (pthread_condattr_init(&attributes) != 0) return false;
  initialized = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                pthread_cond_init(cond, &attributes) == 0;
  pthread_condattr_destroy(&attributes);
  return initialized;
#endif
}

static inline void enetjs_cond_broadcast(enetjs_cond *cond) { pthread_cond_broadcast(cond); }

/* Milliseconds of a monotonic clock. */
static inline uint64_t enetjs_now_ms(void) { return enetjs_clock_us() / 1000; }

/* Waits until the deadline of enetjs_now_ms at the latest; UINT64_MAX waits without end. */
static inline void enetjs_cond_wait(enetjs_cond *cond, enetjs_mutex *mutex, uint64_t deadline_ms) {
  struct timespec time;
  if (deadline_ms == UINT64_MAX) {
    pthread_cond_wait(cond, mutex);
    return;
  }
#ifdef __APPLE__
  uint64_t now = enetjs_now_ms();
  deadline_ms = deadline_ms > now ? deadline_ms - now : 0;
#endif
  time.tv_sec = (time_t)(deadline_ms / 1000);
  time.tv_nsec = (long)(deadline_ms % 1000) * 1000000;
#ifdef __APPLE__
  pthread_cond_timedwait_relative_np(cond, mutex, &time);
#else
  pthread_cond_timedwait(cond, mutex, &time);
#endif
}

typedef pthread_t enetjs_thread;

static inline void *enetjs_thread_entry(void *record) {
  enetjs_thread_record_run(record);
  return NULL;
}

/*
 * Every signal but the faults of a running thread itself. Our threads block these signals, so that handlers
 * of the program run on threads of the program, and never on a small stack.
 */
static inline void enetjs_thread_signal_mask(sigset_t *set) {
  sigfillset(set);
  sigdelset(set, SIGSEGV);
  sigdelset(set, SIGBUS);
  sigdelset(set, SIGILL);
  sigdelset(set, SIGFPE);
  sigdelset(set, SIGTRAP);
}

/*
 * With a stack of that size where the system accepts it, else of the default size. glibc takes static TLS out
 * of the stack, and refuses a size in which that leaves no room.
 */
static inline bool enetjs_thread_create(enetjs_thread *thread, struct enetjs_thread_record *record,
                                        size_t stack_bytes) {
  pthread_attr_t attributes;
  bool started = false;
  if (pthread_attr_init(&attributes) == 0) {
    started = pthread_attr_setstacksize(&attributes, stack_bytes) == 0 &&
              pthread_create(thread, &attributes, enetjs_thread_entry, record) == 0;
    pthread_attr_destroy(&attributes);
  }
  return started || pthread_create(thread, NULL, enetjs_thread_entry, record) == 0;
}

/* Starts a thread that calls run(argument). It must be joined or detached exactly once. */
static inline bool enetjs_thread_start_sized(enetjs_thread *thread, enetjs_thread_main run, void *argument,
                                             size_t stack_bytes) {
  struct enetjs_thread_record *record = enetjs_thread_record_new(run, argument);
  sigset_t blocked, previous;
  bool started;
  if (!record) return false;
  enetjs_thread_signal_mask(&blocked);
  pthread_sigmask(SIG_SETMASK, &blocked, &previous);
  started = enetjs_thread_create(thread, record, stack_bytes);
  pthread_sigmask(SIG_SETMASK, &previous, NULL);
  if (!started) free(record);
  return started;
}

/* Waits for the thread to return and releases it. */
static inline void enetjs_thread_join(enetjs_thread thread) { pthread_join(thread, NULL); }

/* Releases the thread, which goes on by itself. */
static inline void enetjs_thread_detach(enetjs_thread thread) { pthread_detach(thread); }

static inline void enetjs_thread_yield(void) { sched_yield(); }

/* Sleeps for less than a tenth of a millisecond, where the system can. */
static inline void enetjs_thread_doze(void) {
  struct timespec time = {0, 1}; /* the system adds its timer slack, commonly 50 microseconds */
  nanosleep(&time, NULL);
}

typedef pthread_once_t enetjs_once;

#define ENETJS_ONCE_INIT PTHREAD_ONCE_INIT

/* Calls run once per process; every caller returns after that call has finished. */
static inline void enetjs_once_run(enetjs_once *once, void (*run)(void)) { pthread_once(once, run); }

/*
 * A per-thread pointer that is handed to the destructor when its thread exits. A destructor is
 * declared `static void ENETJS_KEY_CALL name(void *value)`.
 */
typedef pthread_key_t enetjs_key;

#define ENETJS_KEY_CALL

static inline bool enetjs_key_create(enetjs_key *key, void(ENETJS_KEY_CALL *destructor)(void *)) {
  return pthread_key_create(key, destructor) == 0;
}

static inline bool enetjs_key_set(enetjs_key key, void *value) {
  return pthread_setspecific(key, value) == 0;
}

#endif

/* The same with the small stack that is enough for the library's own threads. */
static inline bool enetjs_thread_start(enetjs_thread *thread, enetjs_thread_main run, void *argument) {
  return enetjs_thread_start_sized(thread, run, argument, ENETJS_THREAD_STACK_BYTES);
}

#endif
