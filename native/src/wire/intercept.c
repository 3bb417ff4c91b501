/*
 * What ENet's intercept callback decides before ENet sees a datagram: the address filter and the gate, whether
 * an unbound client is being connected to, and which datagrams are not ENet's at all.
 */
#include <stdlib.h>
#include <string.h>

#include "host/internal.h"

/* Results of the intercept callback. */
#define LET_THROUGH 0
#define TAKEN 1

/* ---- Address filter: sorted, disjoint ranges ------------------------------------------------- */

static int compare_ranges(const void *a, const void *b) {
  uint32_t x = ((const struct enetjs_range *)a)->first, y = ((const struct enetjs_range *)b)->first;
  return x < y ? -1 : x > y;
}

static void merge_ranges(struct enetjs_ranges *ranges) {
  size_t kept = 0;
  if (ranges->count == 0) return;
  qsort(ranges->items, ranges->count, sizeof(*ranges->items), compare_ranges);
  for (size_t i = 1; i < ranges->count; i++) {
    struct enetjs_range *last = &ranges->items[kept];
    if (ranges->items[i].first > last->last)
      ranges->items[++kept] = ranges->items[i];
    else if (ranges->items[i].last > last->last)
      last->last = ranges->items[i].last;
  }
  ranges->count = kept + 1;
}

static bool ranges_contain(const struct enetjs_ranges *ranges, uint32_t address) {
  size_t low = 0, high = ranges->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (address > ranges->items[middle].last)
      low = middle + 1;
    else
      high = middle;
  }
  return low < ranges->count && ranges->items[low].first <= address;
}

static bool collect_ranges(struct enetjs_ranges *ranges, const uint8_t *rules, size_t count, uint32_t kind) {
  ranges->items = count ? malloc(count * sizeof(*ranges->items)) : NULL;
  ranges->count = 0;
  if (count && !ranges->items) return false;
  for (size_t i = 0; i < count; i++) {
    uint32_t rule[3];
    memcpy(rule, rules + i * sizeof(rule), sizeof(rule));
    if (rule[2] != kind) continue;
    ranges->items[ranges->count].first = rule[0];
    ranges->items[ranges->count++].last = rule[1];
  }
  merge_ranges(ranges);
  return true;
}

void enetjs_filter_clear(struct enetjs_host *h) {
  free(h->allow.items);
  free(h->deny.items);
  memset(&h->allow, 0, sizeof(h->allow));
  memset(&h->deny, 0, sizeof(h->deny));
}

static bool rules_valid(const uint8_t *rules, size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint32_t rule[3];
    memcpy(rule, rules + i * sizeof(rule), sizeof(rule));
    if (rule[0] > rule[1] || rule[2] > 1) return false;
  }
  return true;
}

int enetjs_filter_replace(struct enetjs_host *h, const uint8_t *rules, size_t count) {
  struct enetjs_ranges allow, deny;
  if (!rules_valid(rules, count)) return ENETJS_ERR_ARGUMENT;
  if (!collect_ranges(&allow, rules, count, 1)) return ENETJS_ERR_MEMORY;
  if (!collect_ranges(&deny, rules, count, 0)) {
    free(allow.items);
    return ENETJS_ERR_MEMORY;
  }
  enetjs_filter_clear(h);
  h->allow = allow;
  h->deny = deny;
  return 0;
}

static bool filtered(const struct enetjs_host *h, uint32_t address) {
  if (ranges_contain(&h->deny, address)) return true;
  return h->allow.count > 0 && !ranges_contain(&h->allow, address);
}

/* ---- ENet's own rule for what is a datagram of its protocol ---------------------------------- */

struct header {
  enet_uint16 peer, flags;
  enet_uint8 session;
  size_t size;
};

static bool parse_header(const ENetHost *enet, struct header *header) {
  enet_uint16 word;
  if (enet->receivedDataLength < offsetof(ENetProtocolHeader, sentTime)) return false;
  memcpy(&word, enet->receivedData, sizeof(word));
  word = ENET_NET_TO_HOST_16(word);
  header->session = (enet_uint8)((word & ENET_PROTOCOL_HEADER_SESSION_MASK) >> ENET_PROTOCOL_HEADER_SESSION_SHIFT);
  header->flags = word & ENET_PROTOCOL_HEADER_FLAG_MASK;
  header->peer = (enet_uint16)(word & ~(ENET_PROTOCOL_HEADER_FLAG_MASK | ENET_PROTOCOL_HEADER_SESSION_MASK));
  header->size = header->flags & ENET_PROTOCOL_HEADER_FLAG_SENT_TIME ? sizeof(ENetProtocolHeader)
                                                                     : offsetof(ENetProtocolHeader, sentTime);
  if (enet->checksum) header->size += sizeof(enet_uint32);
  return enet->receivedDataLength >= header->size;
}

/* From a peer of ours: the header names a live peer and the datagram comes from its address. */
static bool from_peer(const ENetHost *enet, const struct header *header) {
  const ENetPeer *peer;
  if (header->peer >= enet->peerCount) return false;
  peer = &enet->peers[header->peer];
  if (peer->state == ENET_PEER_STATE_DISCONNECTED || peer->state == ENET_PEER_STATE_ZOMBIE) return false;
  if ((enet->receivedAddress.host != peer->address.host || enet->receivedAddress.port != peer->address.port) &&
      peer->address.host != ENET_HOST_BROADCAST)
    return false;
  return peer->outgoingPeerID >= ENET_PROTOCOL_MAXIMUM_PEER_ID || header->session == peer->incomingSessionID;
}

/* The commands of a datagram, decompressed where it is. @returns their length, 0 if it can't be */
static size_t commands_of(ENetHost *enet, const struct header *header, enet_uint8 *out, size_t limit) {
  const enet_uint8 *data = enet->receivedData + header->size;
  size_t length = enet->receivedDataLength - header->size;
  if (header->flags & ENET_PROTOCOL_HEADER_FLAG_COMPRESSED) {
    if (!enet->compressor.context || !enet->compressor.decompress) return 0;
    length = enet->compressor.decompress(enet->compressor.context, data, length, out, limit);
    return length > limit ? 0 : length;
  }
  if (length > limit) return 0;
  memcpy(out, data, length);
  return length;
}

static bool checksum_valid(const ENetHost *enet, const struct header *header, enet_uint8 *datagram, size_t length) {
  enet_uint32 expected, zero = 0;
  enet_uint8 *field = datagram + header->size - sizeof(expected);
  ENetBuffer buffer;
  memcpy(&expected, field, sizeof(expected));
  memcpy(field, &zero, sizeof(zero));
  buffer.data = datagram;
  buffer.dataLength = length;
  return enet->checksum(&buffer, 1) == expected;
}

/* A request to connect: no peer id yet, and the first command is CONNECT. */
static bool is_connect(ENetHost *enet, const struct header *header) {
  enet_uint8 datagram[ENET_PROTOCOL_MAXIMUM_MTU];
  size_t length;
  if (header->peer != ENET_PROTOCOL_MAXIMUM_PEER_ID) return false;
  memcpy(datagram, enet->receivedData, header->size);
  length = commands_of(enet, header, datagram + header->size, sizeof(datagram) - header->size);
  if (length < sizeof(ENetProtocolConnect)) return false;
  if ((datagram[header->size] & ENET_PROTOCOL_COMMAND_MASK) != ENET_PROTOCOL_COMMAND_CONNECT) return false;
  return !enet->checksum || checksum_valid(enet, header, datagram, header->size + length);
}

static bool is_enet(ENetHost *enet) {
  struct header header;
  return parse_header(enet, &header) && (from_peer(enet, &header) || is_connect(enet, &header));
}

/* ---- The callback ---------------------------------------------------------------------------- */

static void emit_datagram(struct enetjs_host *h, uint32_t address) {
  uint32_t record[ENETJS_RECORD_BYTES / 4] = {0};
  ENetPacket *packet;
  if (h->held_datagram_bytes >= h->maximum_waiting) return; /* as a full socket buffer would lose it */
  packet = enet_packet_create(h->enet->receivedData, h->enet->receivedDataLength, 0);
  if (!packet) return;
  record[ENETJS_RECORD_LENGTH] = (uint32_t)packet->dataLength;
  record[ENETJS_RECORD_TYPE] = ENETJS_EVENT_DATAGRAM;
  record[ENETJS_RECORD_ADDRESS] = address;
  record[ENETJS_RECORD_EXTRA] = h->enet->receivedAddress.port;
  h->counters[ENETJS_HOST_STAT_DATAGRAMS]++;
  enetjs_emit_event(h, NULL, record, packet);
}

static bool asks_for_peer(const ENetHost *enet) {
  struct header header;
  return parse_header(enet, &header) && header.peer == ENET_PROTOCOL_MAXIMUM_PEER_ID;
}

static void relieve(struct enetjs_host *h) {
  struct header header;
  if (parse_header(h->enet, &header) && header.peer < h->enet->peerCount)
    enetjs_relieve_waiting(&h->slots[header.peer]);
}

static int ENET_CALLBACK intercept(ENetHost *enet, ENetEvent *event) {
  struct enetjs_host *h = enet->peers[0].data;
  uint32_t address = ENET_NET_TO_HOST_32(enet->receivedAddress.host);
  (void)event;
  if (filtered(h, address) || (h->gate && !enetjs_gate_admits(h, address))) {
    h->counters[ENETJS_HOST_STAT_FILTERED]++;
    return TAKEN;
  }
  if (h->datagrams && !is_enet(enet)) {
    emit_datagram(h, address);
    return TAKEN;
  }
  relieve(h);
  return !h->bound && asks_for_peer(enet) ? TAKEN : LET_THROUGH;
}

void enetjs_intercept_install(struct enetjs_host *h) { h->enet->intercept = intercept; }
