/*
 * The pump: a thread per host that waits so that JavaScript need not.
 *
 * It sleeps until the host's socket is readable, or until ENet's next deadline (base/sleeper.h). When
 * something arrives it wakes the consumer with one byte, and the consumer services ENet on its own thread.
 * Then the consumer sets anew what the pump waits for, which does not wake the pump.
 * If the consumer has not serviced within the stall limit, the pump services in its place. Acknowledgements
 * and pings then go on, and what arrives is held in native memory. At a deadline (ping, retransmission,
 * timeout) the pump services, and wakes the consumer only if that results in a record.
 *
 * The pump never touches memory that JavaScript owns. It notices when the other end of its wake
 * pair is closed without enetjs_host_close, as when a Worker is terminated, and closes the host.
 */
#include <string.h>

#include "base/clock.h"
#include "base/pool.h"
#include "host/internal.h"

atomic_uint enetjs_live_pumps;

/* ---- Talking to the consumer and to the pump ------------------------------------------------- */

void enetjs_pump_call(struct enetjs_host *h) {
  if (h->signalled) return;
  h->signalled = true;
  h->signalled_at = enet_time_get();
  h->counters[ENETJS_HOST_STAT_WAKE_UPS]++;
  enetjs_poke(h->wake.own);
}

/* Has the pump look at the host at once. */
void enetjs_pump_notify(struct enetjs_host *h) { enetjs_sleeper_set_deadline(&h->sleeper, 0); }

static void watch(struct enetjs_host *h) {
  if (h->sleeper.watching || h->failed) return;
  h->watched_services = h->services;
  enetjs_sleeper_watch(&h->sleeper);
}

/*
 * Looks for the next deadline, which takes a walk over all peers.
 * @param serviced the pump has just serviced
 * @returns milliseconds, -1 for none
 */
static int find_deadline(struct enetjs_host *h, bool serviced) {
  int wait = enetjs_next_wait(h);
  /* After a service nothing is due at once, except datagrams that it has not read. */
  if (wait == 0 && serviced && !enetjs_datagrams_prefetched(h)) wait = 1;
  h->has_due = wait >= 0;
  h->due_ms = enetjs_now_ms() + (uint64_t)wait;
  h->due_services = h->services;
  return wait;
}

/* The same without the walk, where no service was since the last one. */
static int time_until_due(struct enetjs_host *h, bool serviced) {
  uint64_t now = enetjs_now_ms();
  if (serviced || h->due_services != h->services) return find_deadline(h, serviced);
  if (!h->has_due) return -1;
  return h->due_ms > now ? (int)(h->due_ms - now) : 0;
}

/*
 * After the consumer's service or flush: what the pump waits for is set anew, where it has waited for the
 * consumer, or would sleep past a deadline that is new. On Linux the pump sleeps on meanwhile.
 */
void enetjs_pump_rearm(struct enetjs_host *h) {
  int wait;
  if (!h->pump_running || h->pace.attending) return;
  wait = find_deadline(h, false);
  if (h->pump_awaits || enetjs_sleeper_earlier(&h->sleeper, wait))
    enetjs_sleeper_set_deadline(&h->sleeper, wait);
  h->pump_awaits = false;
  if (!h->pump_rests) watch(h);
}

/* ---- The thread ------------------------------------------------------------------------------ */

static void await_consumer(struct enetjs_host *h) {
  enetjs_pump_call(h);
  h->pump_awaits = true;
}

/* Calls the consumer for what has come, and lets what comes next gather until the next call. */
static void gather(struct enetjs_host *h) {
  enetjs_pump_call(h);
  h->pump_rests = true;
}

/*
 * Services in the consumer's place, unless ENet would read memory of JavaScript's, which only the consumer
 * may.
 */
static void service_here(struct enetjs_host *h) {
  if (h->external_messages > 0) {
    await_consumer(h);
    return;
  }
  enetjs_service_protocol(h);
  if (enetjs_records_held(h) == 0) return;
  h->empty_wakeups = 0;
  enetjs_pump_call(h);
}

static void service_for_stalled_consumer(struct enetjs_host *h) {
  if (h->external_messages == 0) h->counters[ENETJS_HOST_STAT_PUMP_SERVICES]++;
  service_here(h);
}

static bool stalled(const struct enetjs_host *h) {
  return h->signalled && enet_time_get() - h->signalled_at >= h->stall_limit;
}

/*
 * Datagrams have arrived, or are left from before. The consumer is called, or, if it was called and has not
 * come, the pump services. On a quiet host most datagrams are pings and acknowledgements, which bring the
 * consumer nothing. Once they have woken it a few times in a row, the pump services, and wakes it only for a
 * record.
 */
static void on_readable(struct enetjs_host *h) {
  if (stalled(h))
    service_for_stalled_consumer(h);
  else if (h->empty_wakeups >= ENETJS_EMPTY_WAKEUPS_LIMIT)
    service_here(h);
  else if (h->pace.coalescing.on)
    gather(h);
  else
    await_consumer(h);
}

/*
 * Sets what the pump waits for, by its own state. @param serviced it has just serviced in the consumer's
 * place
 */
static void prepare_sleep(struct enetjs_host *h, bool serviced) {
  int wait = h->pump_awaits  ? (int)h->stall_limit
             : h->pump_rests ? (int)h->pace.rest_ms
                             : time_until_due(h, serviced);
  enetjs_sleeper_set_deadline(&h->sleeper, wait);
  if (h->pump_awaits || h->pump_rests || h->failed)
    enetjs_sleeper_unwatch(&h->sleeper);
  else
    watch(h);
}

/* With the lock held; releases it while it sleeps. */
static unsigned sleep_until_due(struct enetjs_host *h) {
  unsigned woken = enetjs_sleeper_sleep(&h->sleeper, &h->lock);
  enetjs_pool_trim();
  enetjs_mutex_lock(&h->lock);
  if (woken & ENETJS_WOKEN_SOCKET) h->sleeper.watching = false;
  return woken;
}

/* @returns false when the consumer's end is gone */
static bool pump_until_quit(struct enetjs_host *h) {
  bool serviced = false;
  while (!h->pump_quit) {
    unsigned woken;
    bool rested = h->pump_rests;
    prepare_sleep(h, serviced);
    serviced = false;
    woken = sleep_until_due(h);
    if (woken & ENETJS_WOKEN_GONE) return false;
    if (rested) {
      h->pump_rests = false;
    } else if (h->pump_awaits) {
      h->pump_awaits = false;
      if (stalled(h)) service_for_stalled_consumer(h);
    } else if (enetjs_datagrams_prefetched(h) || (woken && h->services == h->watched_services)) {
      on_readable(h);
    } else if (find_deadline(h, false) == 0) {
      service_here(h);
      serviced = true;
    }
  }
  return true;
}

static void abandon(struct enetjs_host *h) {
  if (h->closing) return; /* a closer waits to join us */
  h->closing = true;
  enetjs_thread_detach(h->pump);
  enetjs_fd_close(h->wake.own);
  enetjs_sleeper_close(&h->sleeper);
  enetjs_host_destroy_locked(h, NULL);
}

static void pump_main(void *argument) {
  struct enetjs_host *h = argument;
  enetjs_mutex_lock(&h->lock);
  if (!pump_until_quit(h)) abandon(h);
  atomic_fetch_sub(&enetjs_live_pumps, 1);
  enetjs_mutex_unlock(&h->lock);
}

/* @returns 0 or an error code */
int enetjs_pump_start(struct enetjs_host *h, struct enetjs_wake_place place) {
  int error = enetjs_wake_open(&h->wake, place);
  if (error < 0) return error;
  error = enetjs_sleeper_open(&h->sleeper, h->enet->socket, h->wake.own);
  if (error < 0) goto no_sleeper;
  atomic_fetch_add(&enetjs_live_pumps, 1);
  if (!enetjs_thread_start(&h->pump, pump_main, h)) {
    atomic_fetch_sub(&enetjs_live_pumps, 1);
    error = ENETJS_ERR_THREAD;
    goto no_thread;
  }
  h->pump_running = true;
  return 0;
no_thread:
  enetjs_sleeper_close(&h->sleeper);
no_sleeper:
  enetjs_wake_cancel(&h->wake);
  return error;
}
