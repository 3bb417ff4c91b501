/*
 * The service of ENet under the lock: by the consumer, or by the pump in its place. What comes of it are records in
 * the rings (event.c), and datagrams that leave at the end of the batch (wire/socket.c).
 *
 * Invariant: ENet's totals are zero between two services; what they were is in the host's counters.
 */
#include "base/clock.h"
#include "base/pool.h"
#include "enet/dispatch_queue.h"
#include "enet/libenet.h"
#include "enet/waiting.h"
#include "host/internal.h"
#include "wire/guard.h"
#include "wire/limits.h"
#include "wire/socket.h"

#define TRANSIENT_ERROR_LIMIT 64
#define RECEIVE_LIMIT 256   /* datagrams that ENet reads before it looks up */
#define DISPATCH_LIMIT 4096 /* events that a service takes after a datagram, and leaves the rest to the next one */

/*
 * ENet reports a timeout straight from its sending phase, and everything the other side decided
 * through its dispatch queue. A peer that has not been in that queue has a NULL link, because we
 * clear it whenever a peer leaves the queue.
 */
static bool came_through_queue(const ENetPeer *peer) {
  return peer->dispatchList.next != NULL && !enetjs_in_dispatch_queue(peer);
}

static void clear_queue_link(ENetPeer *peer) {
  if (!enetjs_in_dispatch_queue(peer)) peer->dispatchList.next = NULL;
}

static uint32_t disconnect_reason(const struct enetjs_slot *slot, const ENetPeer *peer, bool received) {
  bool told = came_through_queue(peer);
  if (slot->closing) return told || received ? ENETJS_REASON_LOCAL : ENETJS_REASON_TIMEOUT;
  if (!told) return ENETJS_REASON_TIMEOUT;
  return slot->connected ? ENETJS_REASON_REMOTE : ENETJS_REASON_REFUSED;
}

static void handle_event(struct enetjs_host *h, ENetEvent *event, bool received) {
  struct enetjs_slot *slot = &h->slots[event->peer->incomingPeerID];
  uint32_t reason;
  switch (event->type) {
    case ENET_EVENT_TYPE_CONNECT:
      enetjs_slot_connected(slot, event->data);
      clear_queue_link(event->peer);
      break;
    case ENET_EVENT_TYPE_RECEIVE:
      if (slot->waiting_commands > 0) slot->waiting_commands--;
      enetjs_emit_message(slot, event->channelID, event->packet);
      clear_queue_link(event->peer);
      if (!enetjs_libenet_owned) enetjs_recount_waiting(event->peer);
      break;
    case ENET_EVENT_TYPE_DISCONNECT:
      reason = disconnect_reason(slot, event->peer, received);
      if (slot->closing && slot->connected && came_through_queue(event->peer))
        enetjs_resend_disconnect(event->peer, &slot->remote, slot->close_data);
      enetjs_slot_end(slot, reason, reason == ENETJS_REASON_LOCAL ? slot->close_data : event->data);
      break;
    default: break;
  }
}

/*
 * What ENet has queued must leave it before ENet reads on, because a disconnect would drop it. One message can set free
 * thousands that have waited for it. So a service takes a limited number; while some are left, ENet reads nothing.
 * @returns how many events it has taken
 */
static unsigned dispatch(struct enetjs_host *h, unsigned limit) {
  ENetEvent event;
  unsigned events = 0;
  for (; events < limit && h->steps < ENETJS_SERVICE_STEPS && enet_host_check_events(h->enet, &event) > 0; events++)
    handle_event(h, &event, true);
  return events;
}

static void add_totals(struct enetjs_host *h) {
  ENetHost *enet = h->enet;
  h->counters[ENETJS_HOST_STAT_SENT_DATA] += enet->totalSentData;
  h->counters[ENETJS_HOST_STAT_SENT_PACKETS] += enet->totalSentPackets;
  h->counters[ENETJS_HOST_STAT_RECEIVED_DATA] += enet->totalReceivedData;
  h->counters[ENETJS_HOST_STAT_RECEIVED_PACKETS] += enet->totalReceivedPackets;
  enet->totalSentData = enet->totalSentPackets = enet->totalReceivedData = enet->totalReceivedPackets = 0;
}

static void fail(struct enetjs_host *h, int error) {
  h->failed = error;
  enetjs_emit_failure(h, error);
}

bool enetjs_datagrams_prefetched(const struct enetjs_host *h) {
  return enetjs_batch_prefetched(h->batch) && !h->failed;
}

/*
 * One round of ENet's service. @returns how many datagrams or events it took at most, 0 when it has taken
 * all there was: what comes while the consumer looks at that is for its next service, which then answers
 * more of it at once.
 * Errors that concern one destination or one datagram are counted and survived: ENet has taken the
 * offending command off its queue, so the next round gets past it.
 */
static unsigned service_round(struct enetjs_host *h, unsigned *errors) {
  ENetEvent event;
  enet_uint32 received_before = h->enet->totalReceivedPackets, received;
  int result, error;
  h->messages_taken = 0;
  enetjs_handshake_repeat(&h->handshakes);
  if (h->limits) enetjs_limits_begin_round(h->limits);
  enetjs_socket_error_clear();
  enetjs_flows_open(h, false);
  result = enet_host_service(h->enet, &event, 0);
  enetjs_flows_close(h);
  error = enetjs_socket_error();
  enetjs_pool_charge(NULL);
  enetjs_commands_handled(h);
  h->read_from = NULL;
  received = h->enet->totalReceivedPackets - received_before;
  if (result >= 0) {
    /* Other events end ENet's round at once, as does a message that was left of an earlier one. */
    bool whole = result == 0 || (event.type == ENET_EVENT_TYPE_RECEIVE && received > 0);
    unsigned events = h->messages_taken;
    if (result > 0) {
      handle_event(h, &event, received > 0);
      events += 1 + dispatch(h, DISPATCH_LIMIT);
    }
    /* Events are left only where the limit was reached, and then the service ends. */
    return !whole || received >= RECEIVE_LIMIT || enetjs_batch_unread(h->batch) ? received + events : 0;
  }
  if (enetjs_socket_error_fatal(error)) {
    fail(h, error);
    return 0;
  }
  h->counters[ENETJS_HOST_STAT_SOCKET_ERRORS]++;
  return ++*errors < TRANSIENT_ERROR_LIMIT ? 1 : 0;
}

void enetjs_flush_protocol(struct enetjs_host *h) {
  if (h->failed) return;
  enetjs_read_unreachable(h);
  enetjs_batch_begin(h->batch);
  do {
    enetjs_handshake_repeat(&h->handshakes);
    enetjs_flows_open(h, true);
    enet_host_flush(h->enet);
    enetjs_flows_close(h);
  } while (enetjs_queue_feed(h, false));
  enetjs_batch_end(h->batch);
  add_totals(h);
}

void enetjs_service_protocol(struct enetjs_host *h) {
  unsigned errors = 0, taken = 0, more;
  if (h->failed) return;
  h->services++;
  h->queued_of_late = h->fed = h->resent = h->steps = h->discarded = 0;
  enetjs_read_unreachable(h);
  enetjs_batch_begin(h->batch);
  while ((more = service_round(h, &errors)) > 0) {
    taken += more;
    if (taken >= h->events.capacity || h->steps >= ENETJS_SERVICE_STEPS || (h->consumer && h->events.held.head)) break;
  }
  if (h->limits) enetjs_limits_enforce(h);
  /*
   * Cut short, it has not sent the acknowledgements of what it has read. They must go out before the
   * consumer can disconnect a peer, which drops them: a peer that lacks the handshake's last one
   * ignores the disconnect.
   */
  if (!h->failed && (enetjs_queue_feed(h, false) || more > 0)) enetjs_flush_protocol(h);
  /* Nothing may be unread that could acknowledge what seems lost. */
  if (!h->failed && more == 0 && enetjs_resend_lost(h)) enetjs_flush_protocol(h);
  enetjs_reset_stuck_peers(h);
  enetjs_end_silent(h);
  enetjs_slots_check_shutdown(h);
  enetjs_batch_end(h->batch);
  add_totals(h);
}

/*
 * Its window full, ENet can send nothing more before it has read what was acknowledged. What comes of
 * that is held, as when the pump services, for the program is not prepared for events now.
 */
void enetjs_service_between_sends(struct enetjs_host *h) {
  if (h->queued_of_late < ENETJS_SEND_TURN_BYTES || !h->pump_running || h->signalled) return;
  h->consumer = false;
  enetjs_service_protocol(h);
  h->consumer = true;
  if (enetjs_records_held(h) > 0) enetjs_pump_call(h);
}

static double records_ready(const struct enetjs_host *h) {
  return (double)(h->events.head - *h->events.tail_word) + (double)(h->completions.head - *h->completions.tail_word);
}

/* Waits on the socket without the lock. @returns false when the time is up */
static bool wait_for_socket(struct enetjs_host *h, enet_uint32 until) {
  enetjs_pollfd fd = {0};
  int wait = enetjs_next_wait(h), left = (int)(until - enet_time_get()); /* ENet's macros compare within a day */
  if (left <= 0) return false;
  if (wait == 0 && !enetjs_datagrams_prefetched(h)) wait = 1; /* what a service left undone cannot be due at once */
  if (wait < 0 || wait > left) wait = left;
  fd.fd = h->enet->socket;
  fd.events = POLLIN;
  enetjs_host_release(h);
  enetjs_poll(&fd, 1, wait);
  return true;
}

static void service_for_consumer(struct enetjs_host *h) {
  uint32_t events = h->events.head, completions = h->completions.head;
  uint64_t before = h->counters[ENETJS_HOST_STAT_RECEIVED_PACKETS];
  struct enetjs_service_result result = {.woken = h->signalled};
  h->signalled = false;
  h->servicing = true;
  enetjs_refill(h);
  enetjs_service_protocol(h);
  enetjs_refill(h);
  h->servicing = false;
  result.datagrams = (unsigned)(h->counters[ENETJS_HOST_STAT_RECEIVED_PACKETS] - before);
  result.found = (result.datagrams > 0 && h->queued_messages > 0) || events != h->events.head ||
                 completions != h->completions.head;
  result.source_changes = enetjs_batch_take_source_changes(h->batch);
  h->empty_wakeups = result.found ? 0 : h->empty_wakeups + 1;
  enetjs_pool_relax();
  if (!h->pump_running) {
    enetjs_background_trim(); /* as the pump would */
    return;
  }
  result.now_us = enetjs_clock_us();
  enetjs_pace_observe(&h->pace, h->spin, &result);
  h->header[ENETJS_WORD_ATTENDED] = h->pace.attending;
}

double enetjs_host_service(double host, double timeoutMs) {
  enet_uint32 until = 0;
  struct enetjs_host *h;
  double result;
  if (!enetjs_is_integer(timeoutMs, 0, INT32_MAX)) return ENETJS_ERR_ARGUMENT;
  if (timeoutMs > 0) until = enet_time_get() + (enet_uint32)timeoutMs;
  for (;;) {
    h = enetjs_host_acquire(host);
    if (!h) return ENETJS_ERR_CLOSED;
    service_for_consumer(h);
    result = h->failed ? ENETJS_ERR_SOCKET : records_ready(h);
    if (result != 0 || timeoutMs == 0 || !wait_for_socket(h, until)) break;
  }
  enetjs_pump_rearm(h);
  enetjs_host_release(h);
  return result;
}

double enetjs_host_flush(double host) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  if (!h) return ENETJS_ERR_CLOSED;
  h->fed = 0;
  enetjs_flush_protocol(h);
  enetjs_pump_rearm(h);
  enetjs_host_release(h);
  return 0;
}

static void count_guard(struct enetjs_host *h) {
  static const size_t refusals[ENETJS_REFUSAL_COUNT] = {
      ENETJS_HOST_STAT_REFUSED_FULL, ENETJS_HOST_STAT_REFUSED_FILTER, ENETJS_HOST_STAT_REFUSED_ACCEPT,
      ENETJS_HOST_STAT_REFUSED_UNDECIDED, ENETJS_HOST_STAT_REFUSED_DUPLICATE};
  struct enetjs_guard_stats stats;
  if (!h->guard) return;
  enetjs_batch_begin(h->batch); /* an attempt whose time is up is refused */
  stats = enetjs_guard_stats(h->guard);
  enetjs_batch_end(h->batch);
  h->counters[ENETJS_HOST_STAT_HALF_OPEN] = stats.half_open;
  for (size_t i = 0; i < ENETJS_REFUSAL_COUNT; i++) h->counters[refusals[i]] = stats.refused[i];
  h->counters[ENETJS_HOST_STAT_BAD_HANDSHAKE] = stats.bad;
}

double enetjs_host_stats(double host) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  if (!h) return ENETJS_ERR_CLOSED;
  add_totals(h);
  count_guard(h);
  h->counters[ENETJS_HOST_STAT_CONNECTED_PEERS] = h->enet->connectedPeers;
  h->counters[ENETJS_HOST_STAT_DATA] = enetjs_host_data(h);
  h->counters[ENETJS_HOST_STAT_HELD_RECORDS] = enetjs_records_held(h);
  for (size_t i = 0; i < ENETJS_HOST_STAT_COUNT; i++) h->stats[i] = (double)h->counters[i];
  enetjs_host_release(h);
  return 0;
}
