/*
 * Whether libenet belongs to this library alone, and what is replaced in it then: its clock and its
 * allocator.
 *
 * The clock. libenet reads the wall clock, which can be set. A step forward looks like silence and ends
 * connections; a step back delays retransmissions. So libenetjs defines enet_time_get itself, and then ENet's
 * time is monotonic. That time begins with the wall clock's, because other code in the process may call the
 * function of a libenet that it shares with us, and compare.
 *
 * The allocator. ENet has one for the whole process. It must not change while blocks of the former one live.
 *
 * ENet that is built in is ours alone. A libenet that was loaded as the dependency of libenetjs is, too: it
 * calls our function in place of its own, by the ordinary lookup of symbols (wire/socket.c), and
 * initialization happens when libenetjs is loaded, so no other code can have used libenet before. If the
 * calls do not arrive, other code has loaded libenet, for example a second copy of this library. Then libenet
 * keeps its allocator and its clock.
 *
 * Invariant: this library always reads the same time as ENet. Any thread may call.
 */
#include "enet/libenet.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/threads.h"
#include "enetjs.h"
#ifndef ENETJS_ENET_BUILT_IN
#include <dlfcn.h>
#endif

bool enetjs_libenet_owned;

static _Atomic enet_uint32 offset_ms; /* of ENet's time from the monotonic clock's */

static enet_uint32 monotonic_ms(void) { return (enet_uint32)(enetjs_clock_us() / 1000); }

static void begin_with_wall_clock(void) {
  atomic_store(&offset_ms, (enet_uint32)enetjs_wall_clock_ms() - monotonic_ms());
}

/* Never returns 0, which means "never" in several fields of ENet. */
static enet_uint32 our_time(void) {
  enet_uint32 time = monotonic_ms() + atomic_load_explicit(&offset_ms, memory_order_relaxed);
  return time ? time : 1;
}

#ifdef ENETJS_ENET_BUILT_IN

enet_uint32 enet_time_get(void) { return our_time(); }

void enet_time_set(enet_uint32 time) { atomic_store(&offset_ms, time - monotonic_ms()); }

static bool calls_arrive(void) {
  begin_with_wall_clock();
  return true;
}

#else

enum clock_state {
  CLOCK_UNKNOWN, /* until the first call */
  CLOCK_OURS,
  CLOCK_LIBENETS /* libenet's calls do not arrive here */
};

static atomic_int clock_state;

/* The time of libenet's own clock: a flush of a host without peers reads that clock and does nothing else. */
static enet_uint32 time_of_libenet(void) {
  static enetjs_mutex lock = ENETJS_MUTEX_INIT;
  static ENetHost host;
  enet_uint32 time;
  enetjs_mutex_lock(&lock);
  enet_host_flush(&host);
  time = host.serviceTime;
  enetjs_mutex_unlock(&lock);
  return time;
}

ENETJS_API enet_uint32 enet_time_get(void) {
  int state = atomic_load_explicit(&clock_state, memory_order_relaxed);
  if (state == CLOCK_LIBENETS) return time_of_libenet();
  if (state == CLOCK_UNKNOWN) atomic_store(&clock_state, CLOCK_OURS);
  return our_time();
}

ENETJS_API void enet_time_set(enet_uint32 time) {
  void (*set)(enet_uint32) = NULL;
  if (atomic_load(&clock_state) != CLOCK_LIBENETS) {
    atomic_store(&offset_ms, time - monotonic_ms());
    return;
  }
  *(void **)&set = dlsym(RTLD_NEXT, "enet_time_set");
  if (set) set(time);
}

static bool calls_arrive(void) {
  int unknown = CLOCK_UNKNOWN;
  begin_with_wall_clock();
  (void)time_of_libenet();
  return !atomic_compare_exchange_strong(&clock_state, &unknown, CLOCK_LIBENETS);
}

#endif

/*
 * Replaces a callback that aborts the process. ENet's callers of enet_malloc survive NULL. Three of them then
 * wait for the acknowledgement of a command that was never sent: see enetjs_reset_stuck_peers.
 */
static void no_memory(void) {}

static enetjs_once initialized = ENETJS_ONCE_INIT;
static int initialize_result = ENETJS_ERR_LIBENET;

static void initialize(void) {
  ENetCallbacks callbacks = {enetjs_pool_malloc, enetjs_pool_free, no_memory};
  ENetBuffer empty = {0};
  /* This library reads ENet's structs, which differ between versions. */
  if (enet_linked_version() != ENET_VERSION || ENET_VERSION < ENET_VERSION_CREATE(1, 3, 17)) return;
  enetjs_libenet_owned = calls_arrive();
  if ((enetjs_libenet_owned ? enet_initialize_with_callbacks(ENET_VERSION, &callbacks) : enet_initialize()) !=
      0)
    return;
  /* ENet fills its CRC table on first use, which two hosts might do at once. */
  enet_crc32(&empty, 1);
  initialize_result = 0;
}

int enetjs_libenet_initialize(void) {
  enetjs_once_run(&initialized, initialize);
  return initialize_result;
}
