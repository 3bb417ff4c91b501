/*
 * Services ENet: it reads datagrams, sends what is due, and reports events. The consumer does that, or the
 * pump in its place. Events become records in the rings (event.c). Datagrams leave at the end of the batch
 * (wire/socket.c).
 *
 * Invariant: ENet's totals are zero between two services, because they have been added to the host's
 * counters.
 *
 * The exported functions take the host's lock and are called by the consumer. All others are called with it
 * held.
 */
#include "base/clock.h"
#include "base/pool.h"
#include "enet/dispatch_queue.h"
#include "enet/libenet.h"
#include "enet/waiting.h"
#include "host/internal.h"
#include "wire/guard.h"
#include "wire/limits.h"
#include "wire/security/security.h"
#include "wire/socket.h"

#define TRANSIENT_ERROR_LIMIT 64
#define RECEIVE_LIMIT 256   /* datagrams that ENet reads in one enet_host_service */
#define DISPATCH_LIMIT 4096 /* events that a round takes; the rest waits for the next service */

/*
 * Whether the other side caused the event. ENet reports a timeout straight from its sending phase, and all
 * other events through its dispatch queue. A peer that has not been in the queue has a NULL link, because the
 * link is cleared whenever a peer leaves the queue.
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
 * Takes the messages that ENet has queued. They must be taken before ENet reads on, because a disconnect
 * drops them. One message can release thousands that have waited for it. So a service takes a limited number,
 * and while some are left, ENet reads nothing.
 * @returns how many events were taken
 */
static unsigned dispatch(struct enetjs_host *h, unsigned limit) {
  ENetEvent event;
  unsigned events = 0;
  for (; events < limit && h->steps < ENETJS_SERVICE_STEPS && enet_host_check_events(h->enet, &event) > 0;
       events++)
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
 * One call of enet_host_service, and the events that it leaves.
 *
 * An error that concerns one destination or one datagram is counted, and the next round goes on: ENet has
 * taken the command off its queue.
 * @returns how many datagrams and events were taken; 0 when no more were there. Datagrams that arrive after
 * that are left to the next service, which then acknowledges more of them at once
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
    /* ENet stops reading at other events, and at a message that was left of an earlier round. */
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
  enetjs_security_tick(h->security);
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
  enetjs_security_tick(h->security);
  while ((more = service_round(h, &errors)) > 0) {
    taken += more;
    if (taken >= h->events.capacity || h->steps >= ENETJS_SERVICE_STEPS ||
        (h->consumer && h->events.held.head))
      break;
  }
  if (h->limits) enetjs_limits_enforce(h);
  if (h->security) enetjs_security_tell(h);
  /*
   * A service that was cut short has not sent the acknowledgements of what it has read. They must leave
   * before the consumer can disconnect a peer, because a disconnect drops them, and a peer that lacks the
   * last acknowledgement of its handshake ignores the DISCONNECT.
   */
  if (!h->failed && (enetjs_queue_feed(h, false) || more > 0)) enetjs_flush_protocol(h);
  /* Only after all datagrams were read: an unread one could acknowledge what seems lost. */
  if (!h->failed && more == 0 && enetjs_resend_lost(h)) enetjs_flush_protocol(h);
  enetjs_reset_stuck_peers(h);
  enetjs_end_silent(h);
  enetjs_slots_check_shutdown(h);
  enetjs_batch_end(h->batch);
  add_totals(h);
}

/*
 * When its window is full, ENet can send nothing more before it has read acknowledgements. Records of events
 * are held, as when the pump services, because the program does not expect events within a send.
 */
void enetjs_service_between_sends(struct enetjs_host *h) {
  if (h->queued_of_late < ENETJS_SEND_TURN_BYTES || !h->pump_running || h->signalled) return;
  h->consumer = false;
  enetjs_service_protocol(h);
  h->consumer = true;
  if (enetjs_records_held(h) > 0) enetjs_pump_call(h);
}

static double records_ready(const struct enetjs_host *h) {
  return (double)(h->events.head - *h->events.tail_word) +
         (double)(h->completions.head - *h->completions.tail_word);
}

/* Waits on the socket without the lock. @returns false when the time is up */
static bool wait_for_socket(struct enetjs_host *h, enet_uint32 until) {
  enetjs_pollfd fd = {0};
  /* ENet's macros compare within a day */
  int wait = enetjs_next_wait(h), left = (int)(until - enet_time_get());
  if (left <= 0) return false;
  /* what the last service has left undone must not make this a busy loop */
  if (wait == 0 && !enetjs_datagrams_prefetched(h)) wait = 1;
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
  struct enetjs_service_result result = {.woken = h->signalled, .sent = h->queued_of_late > 0};
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
  if (h->queued_of_late > 0) enetjs_pace_sent(&h->pace, enetjs_clock_us());
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
  enetjs_batch_begin(h->batch); /* the guard sends refusals to attempts whose time is up */
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
  if (h->security) enetjs_security_count_sessions(h);
  h->counters[ENETJS_HOST_STAT_CONNECTED_PEERS] = h->enet->connectedPeers;
  h->counters[ENETJS_HOST_STAT_DATA] = enetjs_host_data(h);
  h->counters[ENETJS_HOST_STAT_HELD_RECORDS] = enetjs_records_held(h);
  for (size_t i = 0; i < ENETJS_HOST_STAT_COUNT; i++) h->stats[i] = (double)h->counters[i];
  enetjs_host_release(h);
  return 0;
}
