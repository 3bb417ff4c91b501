/*
 * How much memory a peer may take, and how a peer that has taken it is kept from timing out.
 *
 * Only where libenet is ours (enet/libenet.h); elsewhere ENet's own limit stands in for it.
 *
 * What counts for a connection is the memory of the pool that it holds (base/budget.h): what ENet allocates
 * while it handles a datagram of the connection, and the records that are held for JavaScript. What
 * JavaScript has received counts for the host only, until it is the program's own. There is one exception:
 * packets outside the arena also count for their connection where a connection is limited to its share of the
 * host.
 *
 * The rules use a host's maximumWaitingData (W), maximumPacketSize (P) and maximumHostData (H). A command
 * that breaks a rule is left out of its datagram.
 *
 *   Out of order: less than W is held for the consumer. What is not held yet stays within W + AHEAD_SLACK,
 *     and the connection within W + P + NEXT_SLACK. The slack is for a small W: a sender goes on while a
 *     message is missing, and ENet doubles the timeout of a message each time that it is refused. A message
 *     that is too far ahead is left out, too (is_too_far in wire/inspect.c). It would take the room of nearer
 *     ones that are missing, and one datagram of those would come for each timeout.
 *   Next in order: less than W is held, and the connection stays within W + P + NEXT_SLACK. So once the
 *     consumer has taken what is held, the message that others wait for fits beside them. It does not if it
 *     is nearly as long as P and the others exceed W.
 *   Without data: the connection stays within W + P + CONTROL_SLACK, less than 1 MiB above W + P.
 *   The host stays within H. Once half of H is used, a connection also stays within its equal share of the
 *     last quarter. The third quarter is for messages in fragments that are next in order. The first fragment
 *     claims the memory of all of them, and the others may never come. So a message that does not fit
 *     otherwise is counted as far as it has arrived (sparse blocks, base/pool.h), one for each connection at
 *     a time. Claims keep no message out that really comes, until what has come fills three quarters of H.
 *
 * The commands that wait in ENet's lists are counted, too. At most ENETJS_WAITING_COMMANDS (wire/inspect.h)
 * of a connection may be out of order, so that no datagram makes ENet walk, deliver or free more of them at
 * once.
 *
 * What an ended connection still holds counts as a debt of its address in every rule, so connecting again
 * gains nothing. Addresses share ENETJS_DEBT_BUCKETS buckets.
 *
 * No limit causes an error: ENet never sees what is left out. But the sender must not time out while the
 * consumer stalls. A stock ENet (enet_protocol_check_timeouts) ends a connection in two cases:
 *
 *   Nothing has been acknowledged for 5 s. To prevent that, once a second a ping takes the place of what is
 *     left out: ENet acknowledges every ping, and any acknowledgement counts.
 *   One command has not been acknowledged, and its timeout, which doubles each time, has grown beyond 5 s. To
 *     prevent that, every few seconds a few messages are let in, as many as a sender has under way, within W
 *     + P + NEXT_SLACK.
 *
 * Called with the host's lock held.
 */
#include <string.h>

#include "base/pool.h"
#include "host/internal.h"
#include "wire/addresses.h"
#include "wire/socket.h"

enum {
  AHEAD_SLACK = 2 << 20, /* or half of P if that is less */
  NEXT_SLACK = 768 * 1024,
  CONTROL_SLACK = 960 * 1024,
  FRAGMENT_MINIMUM = ENET_PROTOCOL_MINIMUM_MTU - 32, /* bytes, in all but the last of a message */
  CONTROL_COMMANDS = 64,                             /* pings and other commands without data */
  PING_MS = 1000,
  KEEPALIVE_AFTER_MS = 2000, /* a message that has waited so long is sent at least once more in time */
  KEEPALIVE_BYTES = 768 * 1024,
  FREED_STEPS = 4 /* in ENet's lists take as long as to free a command, with its message, at least */
};

static size_t room(size_t used, size_t limit) { return used < limit ? limit - used : 0; }

static int64_t *debt_of(struct enetjs_host *h, uint64_t network) {
  return &h->debts[((network ^ h->debt_seed) * 0x9E3779B97F4A7C15u >> 48) % ENETJS_DEBT_BUCKETS];
}

/* ---- The host -------------------------------------------------------------------------------- */

static size_t most_of_connection(const struct enetjs_host *h) {
  return h->maximum_waiting + h->enet->maximumPacketSize;
}

size_t enetjs_host_data_limit(const struct enetjs_host *h) {
  return h->maximum_data ? h->maximum_data
                         : enetjs_larger(ENETJS_HOST_DATA_MINIMUM, 2 * most_of_connection(h));
}

size_t enetjs_host_data(struct enetjs_host *h) {
  return (size_t)h->account->bytes + atomic_load(&h->listed_bytes) + atomic_load(&h->kept_bytes) +
         h->consumer_bytes;
}

/* All that is held may be handed to JavaScript, where it takes more memory. */
static size_t used_of(struct enetjs_host *h) { return enetjs_host_data(h) + h->reserve; }

static size_t share_of(const struct enetjs_host *h, size_t peers) {
  return enetjs_host_data_limit(h) / 4 / (peers ? peers : 1);
}

/* @param used by one peer */
static size_t host_room(struct enetjs_host *h, size_t used) {
  size_t limit = enetjs_host_data_limit(h), total = used_of(h), free_for_all = room(total, limit / 2);
  if (free_for_all >= most_of_connection(h)) return free_for_all;
  return enetjs_larger(free_for_all,
                       enetjs_smaller(room(total, limit), room(used, share_of(h, h->enet->connectedPeers))));
}

/* For the part of a message in a sparse block that has arrived. */
static size_t sparse_room(struct enetjs_host *h, size_t used) {
  size_t limit = enetjs_host_data_limit(h);
  return enetjs_larger(host_room(h, used), room(used_of(h), limit - limit / 4));
}

bool enetjs_allow_connect(struct enetjs_host *h, uint64_t network) {
  size_t debt = (size_t)*debt_of(h, network);
  return used_of(h) < enetjs_host_data_limit(h) && debt < h->maximum_waiting &&
         debt < share_of(h, h->enet->connectedPeers + 1);
}

/* ---- Accounts -------------------------------------------------------------------------------- */

void enetjs_allowance_end(struct enetjs_slot *slot) {
  if (slot->account) enetjs_account_close(slot->account, debt_of(slot->host, slot->charged_network));
  slot->account = NULL;
  slot->waiting_commands = 0;
  memset(&slot->stall, 0, sizeof(slot->stall));
}

/* An attempt that ENet has given up is not reported, so it may be that of an earlier connection. */
static struct enetjs_account *account_of(struct enetjs_slot *slot, const ENetPeer *peer) {
  struct enetjs_endpoint address;
  if (slot->account && slot->charged_connect_id == peer->connectID) return slot->account;
  enetjs_allowance_end(slot);
  slot->account = enetjs_account_open(slot->host->account);
  slot->charged_connect_id = peer->connectID;
  address = enetjs_host_real(slot->host, &peer->address);
  slot->charged_network = enetjs_endpoint_network(&address);
  return slot->account;
}

/* ---- Peers that wait for the consumer --------------------------------------------------------- */

static enet_uint32 stamp(enet_uint32 now) { return now ? now : 1; }

static bool has_passed(enet_uint32 now, enet_uint32 since, enet_uint32 limit) {
  return since != 0 && ENET_TIME_DIFFERENCE(now, since) >= limit;
}

static bool has_come(const struct enetjs_stall *stall, const ENetPeer *peer) {
  return stall->channel >= peer->channelCount ||
         peer->channels[stall->channel].incomingReliableSequenceNumber != (enet_uint16)(stall->sequence - 1);
}

/*
 * A sender has sent its messages at different times, and retransmits each at its own. Only the message that
 * is next in order is let in, so newer messages do not use up the room of older ones.
 * @returns what may be let in although the consumer has not taken what it has
 */
static size_t keepalive_room(const struct enetjs_stall *stall, enet_uint32 now) {
  if (!has_passed(now, stall->since, KEEPALIVE_AFTER_MS)) return 0;
  return room(stall->admitted, KEEPALIVE_BYTES);
}

/* A ping fits: it is a command's header only, and each command that was left out had one. */
static void ping_instead(struct enetjs_stall *stall, struct enetjs_datagram *datagram, enet_uint32 now) {
  ENetProtocolCommandHeader ping = {ENET_PROTOCOL_COMMAND_PING | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE, 0xFF,
                                    0};
  if (stall->pinged != 0 && !has_passed(now, stall->pinged, PING_MS)) return;
  stall->pinged = stamp(now);
  memcpy(datagram->bytes + datagram->length, &ping, sizeof(ping));
  datagram->length += sizeof(ping);
}

/* ---- Peers ----------------------------------------------------------------------------------- */

/* What counts for a peer in every rule: the memory of its connection, and the debt of its address. */
struct use {
  size_t debt, bytes; /* bytes with the debt */
  size_t held;        /* of them, what the consumer has not taken; with the debt */
  size_t waiting;     /* what is not held */
  size_t listed;      /* beside the bytes: packets that JavaScript has */
  bool blocked;       /* so much is held that only what keeps the sender alive is let in */
};

static struct use use_of(const struct enetjs_slot *slot, const struct enetjs_account *account) {
  struct use use;
  use.debt = (size_t)*debt_of(slot->host, slot->charged_network);
  use.bytes = (size_t)account->bytes + use.debt;
  use.held = slot->held_cost + use.debt;
  /* none where libenet's memory is not counted */
  use.waiting = room(slot->held_cost, (size_t)account->bytes);
  use.listed = atomic_load(&slot->listed_bytes);
  use.blocked = slot->stopped || slot->held_bytes + use.debt >= slot->host->maximum_waiting;
  return use;
}

/*
 * What is let in to keep the sender alive, while the consumer has not taken what it has. Messages whose
 * timeouts differ are retransmitted in another order. The last one may come too late if it is not let in
 * before those that it waits for, so messages out of order are let in, too. The first fragment of a message
 * may claim any length.
 */
static void allow_keepalive(struct enetjs_allowance *allowance, struct enetjs_host *h, const struct use *use,
                            size_t keepalive) {
  allowance->next = enetjs_smaller(allowance->next, keepalive);
  allowance->ahead = enetjs_smaller(allowance->next, host_room(h, use->bytes + use->listed));
  allowance->span = keepalive;
  if (keepalive < KEEPALIVE_BYTES) allowance->assembly = enetjs_smaller(allowance->assembly, keepalive);
}

static void allow_ahead(struct enetjs_allowance *allowance, struct enetjs_host *h, const struct use *use) {
  allowance->span = h->maximum_waiting + enetjs_smaller(AHEAD_SLACK, h->enet->maximumPacketSize / 2);
  allowance->ahead = enetjs_smaller(allowance->next, room(use->waiting, allowance->span));
  allowance->ahead = enetjs_smaller(allowance->ahead, host_room(h, use->bytes + use->listed));
}

/* What the rest of the host leaves to the connection. */
static void allow_of_host(struct enetjs_allowance *allowance, struct enetjs_host *h, const struct use *use) {
  allowance->next = enetjs_smaller(allowance->next, host_room(h, use->held + use->listed));
  allowance->host = host_room(h, use->bytes + use->listed);
  allowance->sparse = enetjs_smaller(allowance->sparse, sparse_room(h, use->bytes + use->listed));
}

static size_t count_waiting(ENetPeer *peer) {
  size_t count = enet_list_size(&peer->dispatchedCommands);
  for (size_t i = 0; i < peer->channelCount; i++)
    count += enet_list_size(&peer->channels[i].incomingReliableCommands) +
             enet_list_size(&peer->channels[i].incomingUnreliableCommands);
  return count;
}

/*
 * ENet drops late unreliable messages and copies without telling, so the slot may count too many commands.
 * They are counted anew when the limit is near. That takes as many steps as commands may wait.
 */
static size_t commands_room(struct enetjs_slot *slot, ENetPeer *peer) {
  if (slot->waiting_commands + ENETJS_COMMANDS_MAXIMUM > ENETJS_WAITING_COMMANDS)
    slot->waiting_commands = count_waiting(peer);
  return room(slot->waiting_commands, ENETJS_WAITING_COMMANDS);
}

static struct enetjs_allowance allowance_of(const struct enetjs_slot *slot,
                                            const struct enetjs_account *account, const struct use *use) {
  struct enetjs_host *h = slot->host;
  size_t limit = most_of_connection(h);
  struct enetjs_allowance allowance = {0};
  allowance.control = room(use->bytes, limit + CONTROL_SLACK);
  allowance.next = allowance.assembly = allowance.sparse = room(use->bytes, limit + NEXT_SLACK);
  allowance.has_sparse = account->sparse_blocks > 0;
  if (use->blocked)
    allow_keepalive(&allowance, h, use, keepalive_room(&slot->stall, h->enet->serviceTime));
  else
    allow_ahead(&allowance, h, use);
  allow_of_host(&allowance, h, use);
  allowance.outgoing = slot->inside_messages +
                       (slot->inside_bytes - slot->lanes.rest_bytes) / FRAGMENT_MINIMUM + CONTROL_COMMANDS;
  return allowance;
}

/* Notes when the message was first refused, unless an earlier one is noted. */
static void begin_stall(struct enetjs_stall *stall, const struct enetjs_inspection *refused,
                        enet_uint32 now) {
  if (stall->since != 0 && stall->admitted == 0) return;
  stall->since = stamp(now);
  stall->admitted = 0;
  stall->channel = refused->channel;
  stall->sequence = refused->sequence;
}

/* ENet neither acknowledges such a message nor reports it. */
static void tell_too_large(struct enetjs_slot *slot, size_t length) {
  struct enetjs_host *h = slot->host;
  if (length == 0 || slot->told_too_large) return;
  slot->told_too_large = true;
  enetjs_emit_completion(slot, ENETJS_COMPLETION_TOO_LARGE, (uint32_t)length,
                         (uint32_t)h->enet->maximumPacketSize);
}

bool enetjs_allow(struct enetjs_slot *slot, struct enetjs_datagram *datagram) {
  struct enetjs_host *h = slot->host;
  ENetPeer *peer = &h->enet->peers[slot->index];
  struct enetjs_account *account = account_of(slot, peer);
  struct enetjs_stall *stall = &slot->stall;
  struct enetjs_allowance allowance;
  struct enetjs_inspection inspection;
  struct use use;
  if (!account) return false;
  use = use_of(slot, account);
  if (!use.blocked && has_come(stall, peer)) stall->since = stall->admitted = 0;
  allowance = allowance_of(slot, account, &use);
  allowance.commands = commands_room(slot, peer);
  inspection = enetjs_inspect(peer, datagram, &allowance);
  slot->waiting_commands += inspection.added;
  slot->waiting_commands -= enetjs_smaller(slot->waiting_commands, inspection.dropped);
  if (inspection.verdict != ENETJS_PASSED) h->counters[ENETJS_HOST_STAT_OVER_BUDGET]++;
  h->steps += inspection.steps + inspection.acknowledgement_steps + FREED_STEPS * inspection.freed;
  if (h->steps >= ENETJS_SERVICE_STEPS) enetjs_batch_stop(h->batch);
  tell_too_large(slot, inspection.too_large);
  if (use.blocked) stall->admitted += inspection.reliable;
  if (inspection.verdict == ENETJS_CUT_MEMORY) {
    if (inspection.next_refused) begin_stall(stall, &inspection, h->enet->serviceTime);
    ping_instead(stall, datagram, h->enet->serviceTime);
  }
  enetjs_pool_charge(account);
  if (inspection.sparse > 0) enetjs_pool_expect_sparse(inspection.sparse, inspection.sparse_written);
  return true;
}
