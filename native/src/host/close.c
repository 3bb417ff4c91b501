/*
 * How a host ends: by enetjs_host_close, with the thread that created it, or with the process.
 *
 * Invariant: each peer has been told of the end before its ENetPeer is gone. Nothing here waits for a peer.
 * Once they are told and the socket is closed, nothing refers to the host any more, and its memory is freed:
 * at once if it is little, otherwise in the background (base/background.h).
 * Any thread may call these functions; `closing` keeps two of them from ending the same host.
 */
#include <stddef.h>
#include <stdlib.h>

#include "base/pool.h"
#include "enet/dispatch_queue.h"
#include "host/internal.h"
#include "wire/addresses.h"
#include "wire/capture.h"
#include "wire/conditions.h"
#include "wire/guard.h"
#include "wire/limits.h"
#include "wire/peer_ids.h"
#include "wire/security/security.h"
#include "wire/socket.h"

#define ANSWER_ROUNDS 16 /* of ENet's service, while answers to our own attempts are looked for */
#define NEVER_MS 60000
#define EXIT_WAIT_MS 100 /* for a lock, once the process exits */

/* ---- Telling the peers ----------------------------------------------------------------------- */

/* Whether a DISCONNECT has left. It is then the only command of the peer that ENet still keeps. */
static bool is_told(ENetPeer *peer) {
  const ENetOutgoingCommand *first;
  if (peer->state != ENET_PEER_STATE_DISCONNECTING) return false;
  if (enet_list_empty(&peer->outgoingCommands)) return true;
  first = (ENetOutgoingCommand *)enet_list_front(&peer->outgoingCommands);
  return first->sendAttempts > 0;
}

static void tell(struct enetjs_host *h, ENetPeer *peer) {
  const struct enetjs_slot *slot = &h->slots[peer->incomingPeerID];
  struct enetjs_remote remote = enetjs_remote_of(peer);
  if (!is_told(peer)) enetjs_resend_disconnect(peer, &remote, slot->closing ? slot->close_data : 0);
}

/* ENet neither reads from such a peer nor sends to it, and gives its place to nobody. What it has stays. */
static void set_aside(ENetPeer *peer) {
  enet_peer_on_disconnect(peer);
  enetjs_leave_dispatch_queue(peer);
  peer->state = ENET_PEER_STATE_ZOMBIE;
}

/*
 * Whether the CONNECT has left, so that the server may have answered; it is then not retransmitted any more.
 */
static bool awaits_answer(ENetPeer *peer) {
  if (!enet_list_empty(&peer->outgoingCommands)) return false;
  peer->nextTimeout = enet_time_get() + NEVER_MS;
  return true;
}

/*
 * A server that this host connects to can be told of the end only with the id in its answer. A client that
 * the guard has answered can be told only once it has acknowledged the answer. Either datagram may have
 * arrived and not been read, so ENet reads once more. All other peers have been set aside, so ENet has
 * nothing else to send.
 */
static void tell_who_has_answered(struct enetjs_host *h) {
  ENetEvent event;
  for (unsigned round = 0; round < ANSWER_ROUNDS; round++) {
    if (enet_host_service(h->enet, &event, 0) <= 0) {
      if (!h->guard || !enetjs_guard_pending(h->guard)) return;
      continue;
    }
    if (event.type == ENET_EVENT_TYPE_RECEIVE) enet_packet_destroy(event.packet);
    if (event.type != ENET_EVENT_TYPE_CONNECT) continue;
    tell(h, event.peer);
    enet_peer_reset(event.peer);
  }
}

void enetjs_disconnect_all(struct enetjs_host *h) {
  bool answers;
  if (h->failed) return;
  enetjs_batch_begin(h->batch);
  answers = h->guard && enetjs_guard_stats(h->guard).half_open > 0;
  if (h->guard) enetjs_guard_close(h->guard);
  for (size_t index = 0; index < h->enet->peerCount; index++) {
    ENetPeer *peer = &h->enet->peers[index];
    if (!enetjs_is_live(peer)) continue;
    if (peer->state != ENET_PEER_STATE_CONNECTING) {
      tell(h, peer);
    } else if (awaits_answer(peer)) {
      answers = true;
      continue;
    }
    set_aside(peer);
  }
  if (answers) tell_who_has_answered(h);
  /* A close does not wait for the simulated network: the datagrams that it holds leave now. */
  if (enetjs_batch_conditions(h->batch)) enetjs_conditions_end(enetjs_batch_conditions(h->batch));
  enetjs_batch_end(h->batch);
}

/* ---- Close ----------------------------------------------------------------------------------- */

/* What is still queued, by us or by ENet, is not delivered any more. */
static void write_undelivered(struct enetjs_host *h, double *stats) {
  for (size_t i = 0; i < h->enet->peerCount; i++)
    enetjs_queue_count_undelivered(&h->slots[i], h->slots[i].queued_messages, h->slots[i].queued_bytes);
  for (size_t i = ENETJS_HOST_STAT_UNDELIVERED_BYTES; i <= ENETJS_HOST_STAT_UNDELIVERED_PEERS; i++)
    stats[i] = (double)h->counters[i];
}

/*
 * From here on the memory that JavaScript owns is not touched, the port is free, and no call finds the host.
 */
static void disappear(struct enetjs_host *h) {
  enetjs_batch_destroy(h->batch);
  enetjs_security_destroy(h->security);
  h->security = NULL;
  enet_socket_destroy(h->enet->socket);
  h->enet->socket = ENET_SOCKET_NULL;
  enetjs_lease_end(&h->lease);
  h->consumer = h->servicing = false;
  h->header = NULL;
  h->generation++;
  atomic_fetch_sub(&enetjs_live_hosts, 1);
}

/* No call finds the host any more, so this needs no lock. */
static void free_memory(struct enetjs_host *h) {
  size_t peers = h->enet->peerCount;
  for (size_t i = 0; i < peers; i++) {
    enetjs_queue_clear(&h->slots[i]);
    enetjs_lanes_end(&h->slots[i].lanes);
    enetjs_drop_held(h, &h->slots[i].held);
  }
  enetjs_drop_held(h, &h->events.held); /* while ENet's peers exist, which these records are charged to */
  enet_host_destroy(h->enet);
  h->enet = NULL;
  enetjs_drop_held(h, &h->completions.held); /* with the completions of messages that ENet has just freed */
  for (size_t i = 0; i < peers; i++) enetjs_allowance_end(&h->slots[i]);
  enetjs_account_close(h->account, NULL);
  enetjs_packet_release_all(h);
  enetjs_filter_clear(&h->filter);
  enetjs_guard_destroy(h->guard);
  enetjs_peer_ids_destroy(h->peer_ids);
  enetjs_addresses_destroy(h->addresses);
  enetjs_limits_destroy(h->limits);
  free(h->slots);
}

static void free_later(struct enetjs_job *job) {
  struct enetjs_host *h = (struct enetjs_host *)((char *)job - offsetof(struct enetjs_host, last_job));
  free_memory(h);
  enetjs_mutex_lock(&h->lock);
  enetjs_host_block_clear(h);
  enetjs_mutex_unlock(&h->lock);
}

/*
 * A message from a peer takes three blocks: the packet, its bytes, and a record or command. One to a peer
 * takes another one for ENet's command.
 * @returns how many blocks of memory it will free, about
 */
static size_t count_blocks(const struct enetjs_host *h) {
  size_t received = h->events.held.count, blocks = h->completions.held.count;
  for (size_t i = 0; i < h->enet->peerCount; i++) {
    const struct enetjs_slot *slot = &h->slots[i];
    received += slot->waiting_commands + slot->held.count;
    blocks += slot->queued_messages + slot->inside_messages;
  }
  return blocks + 3 * received;
}

void enetjs_host_destroy_locked(struct enetjs_host *h, double *stats) {
  enetjs_disconnect_all(h);
  if (stats) write_undelivered(h, stats);
  h->shutting_down = false; /* they are counted */
  disappear(h);
  if (enetjs_discard_little(h, count_blocks(h))) {
    free_memory(h);
    enetjs_host_block_clear(h);
    return;
  }
  h->last_job.run = free_later;
  enetjs_background_run(&h->last_job);
}

/* With the lock held; releases it. */
static void close_and_unlock(struct enetjs_host *h, double *stats) {
  bool pump = h->pump_running;
  h->closing = true;
  h->pump_quit = true;
  if (pump) enetjs_pump_notify(h);
  enetjs_mutex_unlock(&h->lock);
  if (pump) enetjs_thread_join(h->pump);
  enetjs_mutex_lock(&h->lock);
  if (pump) {
    enetjs_fd_close(h->wake.own);
    enetjs_sleeper_close(&h->sleeper);
  }
  enetjs_host_destroy_locked(h, stats);
  enetjs_mutex_unlock(&h->lock);
}

double enetjs_host_close(double host) {
  struct enetjs_host *h = enetjs_host_lock(host);
  if (!h) return ENETJS_ERR_CLOSED;
  close_and_unlock(h, h->stats);
  return 0;
}

static void close_of_thread(const void *owner) {
  struct enetjs_host *h;
  for (uint32_t index = 0; (h = enetjs_host_at(index)) != NULL; index++) {
    enetjs_mutex_lock(&h->lock);
    if (h->open && !h->closing && h->owner == owner) {
      if (h->pump_running) enetjs_wake_forget(&h->wake, true);
      close_and_unlock(h, NULL);
    } else {
      enetjs_mutex_unlock(&h->lock);
    }
  }
}

void enetjs_hosts_on_thread_exit(const void *thread) {
  close_of_thread(thread);
  enetjs_packet_release_of_thread(thread);
}

/* ---- The end of the process ------------------------------------------------------------------ */

/*
 * A thread that the system has stopped inside a call never releases the lock, so the wait for it is bounded.
 * @returns whether the host is open; only then the lock is held
 */
static bool lock_at_exit(struct enetjs_host *h) {
  uint64_t deadline = enetjs_now_ms() + EXIT_WAIT_MS;
  while (!enetjs_mutex_trylock(&h->lock)) {
    if (enetjs_now_ms() >= deadline) return false;
    enetjs_thread_yield();
  }
  if (h->open && !h->closing) return true;
  enetjs_mutex_unlock(&h->lock);
  return false;
}

void enetjs_hosts_on_process_exit(void) {
  struct enetjs_host *h;
  for (uint32_t index = 0; (h = enetjs_host_at(index)) != NULL; index++) {
    bool pump;
    if (!lock_at_exit(h)) continue;
    pump = h->pump_running;
    h->closing = h->pump_quit = true;
    if (pump) enetjs_pump_notify(h);
    enetjs_mutex_unlock(&h->lock);
    if (pump) enetjs_thread_join(h->pump);
    enetjs_mutex_lock(&h->lock);
    enetjs_disconnect_all(h);
    enetjs_mutex_unlock(&h->lock);
  }
#if defined(__linux__)
  enetjs_captures_finish();
#endif
}
