/*
 * See batch_out.h. The bytes of gathered datagrams lie one behind the other in one block. A run is a list of
 * pieces of that block: datagrams of a run that are also consecutive in memory are one piece.
 *
 * A table tells the newest run of each destination. Sending empties the table.
 */
#include "wire/batch_out.h"

#include <enet/time.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/udp.h"
#include "wire/sockaddr.h"

enum {
  OUT_DATAGRAMS = ENETJS_UDP_OUT,
  OUT_BYTES = 256 * 1024,
  RUN_DATAGRAMS = 64, /* what every system that has segmentation takes */
  RUN_BYTES = 65507,  /* of one UDP message over IPv4; over IPv6 there are 20 more */
  DESTINATION_BITS = 9,
  DESTINATIONS = 1 << DESTINATION_BITS, /* more than a batch can have, so that a search ends */
  NO_RUN = 0xFFFF,
  REFUSED_MS = 1000 /* for how long runs are not tried after the system has refused one */
};

/* Consecutive datagrams of one run that are also consecutive in memory. */
struct piece {
  uint8_t *data;
  size_t length;
  struct piece *next;
};

struct run {
  struct enetjs_endpoint to;
  size_t segment, bytes;
  unsigned datagrams;
  bool complete; /* a shorter datagram has ended it */
  struct piece *first, *last;
};

struct enetjs_out {
  ENetHost *enet;
  uint64_t *errors;
  bool ipv6;         /* the socket is one of IPv6 */
  bool segmentation; /* the system has it */
  bool refused;      /* but has refused it of late */
  enet_uint32 refused_at;
  unsigned runs, pieces, datagrams;
  size_t used;
  uint16_t latest[DESTINATIONS]; /* the newest run of each destination, a hash table with linear probing */
  struct run run[OUT_DATAGRAMS];
  struct piece piece[OUT_DATAGRAMS];
  struct enetjs_udp_message message[OUT_DATAGRAMS];
  enetjs_part part[OUT_DATAGRAMS];
  uint8_t bytes[OUT_BYTES];
};

static void out_clear(struct enetjs_out *out) {
  out->runs = out->pieces = out->datagrams = 0;
  out->used = 0;
  memset(out->latest, 0xFF, sizeof(out->latest)); /* NO_RUN */
}

/* Corrects ENet's totals: the bytes were counted, perhaps in an earlier section, and were not sent. */
static void discount(struct enetjs_out *out, size_t bytes) {
  out->enet->totalSentData -= (enet_uint32)enetjs_smaller(out->enet->totalSentData, bytes);
}

static void count_failed(struct enetjs_out *out, unsigned datagrams, size_t bytes) {
  discount(out, bytes);
  out->enet->totalSentPackets -= (enet_uint32)enetjs_smaller(out->enet->totalSentPackets, datagrams);
  *out->errors += datagrams;
}

int enetjs_out_one(ENetHost *enet, bool ipv6, const struct enetjs_endpoint *to, const ENetBuffer *buffers,
                   size_t count) {
  struct enetjs_udp_message message;
  size_t length = 0;
  for (size_t i = 0; i < count; i++) length += buffers[i].dataLength;
  message.to_bytes = enetjs_sockaddr_write(&message.to, to, ipv6);
  message.parts = (enetjs_part *)(uintptr_t)buffers; /* as ENet does */
  message.count = (unsigned)count;
  message.segment = 0;
  if (enetjs_udp_send(enet->socket, &message, 1) == 1) return (int)length;
  return enetjs_socket_error_would_block(enetjs_socket_error()) ? 0 : -1;
}

static bool send_one(struct enetjs_out *out, const struct run *run, uint8_t *data, size_t length) {
  ENetBuffer buffer;
  int sent;
  buffer.data = data;
  buffer.dataLength = length;
  sent = enetjs_out_one(out->enet, out->ipv6, &run->to, &buffer, 1);
  if (sent > 0) return true;
  if (sent == 0)
    discount(out, length);
  else
    count_failed(out, 1, length);
  return false;
}

/* @returns whether any was sent */
static bool send_one_by_one(struct enetjs_out *out, const struct run *run) {
  bool sent = false;
  for (const struct piece *piece = run->first; piece; piece = piece->next)
    for (size_t at = 0; at < piece->length; at += run->segment) {
      size_t left = piece->length - at;
      sent |= send_one(out, run, piece->data + at, left < run->segment ? left : run->segment);
    }
  return sent;
}

static void on_unsent(struct enetjs_out *out, const struct run *run, int error) {
  if (enetjs_socket_error_would_block(error)) {
    discount(out, run->bytes); /* as ENet does: the socket's buffer is full, so it is lost */
  } else if (run->datagrams > 1 && enetjs_socket_error_segmentation(error)) {
    if (!send_one_by_one(out, run)) return;
    out->refused = true;
    out->refused_at = enet_time_get();
  } else {
    count_failed(out, run->datagrams, run->bytes);
  }
}

static void compose(struct enetjs_out *out) {
  enetjs_part *part = out->part;
  for (unsigned i = 0; i < out->runs; i++) {
    struct run *run = &out->run[i];
    struct enetjs_udp_message *message = &out->message[i];
    message->to_bytes = enetjs_sockaddr_write(&message->to, &run->to, out->ipv6);
    message->parts = part;
    for (const struct piece *piece = run->first; piece; piece = piece->next)
      enetjs_part_set(part++, piece->data, piece->length);
    message->count = (unsigned)(part - message->parts);
    message->segment = run->datagrams > 1 ? run->segment : 0;
  }
}

void enetjs_out_send(struct enetjs_out *out) {
  unsigned done = 0;
  if (!out || out->runs == 0) return;
  compose(out);
  while (done < out->runs) {
    int sent = enetjs_udp_send(out->enet->socket, &out->message[done], out->runs - done);
    /* An ICMP message about an earlier datagram makes one call fail. */
    if (sent < 0 && enetjs_socket_error_reported(enetjs_socket_error()))
      sent = enetjs_udp_send(out->enet->socket, &out->message[done], out->runs - done);
    /* An error is that of the first run; those behind it have not been tried. */
    if (sent > 0)
      done += (unsigned)sent;
    else
      on_unsent(out, &out->run[done++], enetjs_socket_error());
  }
  out_clear(out);
}

/* The place of a destination's newest run, which is NO_RUN when it has none. */
static uint16_t *latest_to(struct enetjs_out *out, const struct enetjs_endpoint *to) {
  /* The highest bits of the product depend on all of the address. */
  uint64_t product = (to->high ^ to->low ^ (uint64_t)to->port << 32) * 0x9E3779B97F4A7C15u;
  uint32_t at = (uint32_t)(product >> (64 - DESTINATION_BITS));
  while (out->latest[at] != NO_RUN && !enetjs_endpoint_same(&out->run[out->latest[at]].to, to))
    at = (at + 1) % DESTINATIONS;
  return &out->latest[at];
}

static bool takes(const struct enetjs_out *out, const struct run *run, size_t length) {
  return !run->complete && length <= run->segment && run->datagrams < RUN_DATAGRAMS &&
         run->bytes + length <= RUN_BYTES && out->segmentation && !out->refused;
}

static struct run *run_for(struct enetjs_out *out, const struct enetjs_endpoint *to, size_t length) {
  uint16_t *latest = latest_to(out, to);
  struct run *run;
  if (*latest != NO_RUN && takes(out, &out->run[*latest], length)) return &out->run[*latest];
  *latest = (uint16_t)out->runs;
  run = &out->run[out->runs++];
  memset(run, 0, sizeof(*run));
  run->to = *to;
  run->segment = length;
  return run;
}

static void append(struct enetjs_out *out, struct run *run, uint8_t *data, size_t length) {
  struct piece *last = run->last;
  run->datagrams++;
  run->bytes += length;
  run->complete = length < run->segment;
  if (last && last->data + last->length == data) {
    last->length += length;
    return;
  }
  run->last = &out->piece[out->pieces++];
  run->last->data = data;
  run->last->length = length;
  run->last->next = NULL;
  if (last)
    last->next = run->last;
  else
    run->first = run->last;
}

/* ---- For the batch --------------------------------------------------------------------------- */

bool enetjs_out_takes(size_t length) { return length > 0 && length <= RUN_BYTES; }

void enetjs_out_add(struct enetjs_out *out, const struct enetjs_endpoint *to, const ENetBuffer *buffers,
                    size_t count, size_t length) {
  uint8_t *data;
  if (out->datagrams == OUT_DATAGRAMS || length > OUT_BYTES - out->used) enetjs_out_send(out);
  data = out->bytes + out->used;
  for (size_t i = 0; i < count; i++) {
    if (buffers[i].dataLength > 0) memcpy(out->bytes + out->used, buffers[i].data, buffers[i].dataLength);
    out->used += buffers[i].dataLength;
  }
  out->datagrams++;
  append(out, run_for(out, to, length), data, length);
}

void enetjs_out_begin(struct enetjs_out *out) {
  if (out && out->refused && ENET_TIME_DIFFERENCE(enet_time_get(), out->refused_at) >= REFUSED_MS)
    out->refused = false;
}

struct enetjs_out *enetjs_out_create(ENetHost *enet, bool ipv6, uint64_t *errors) {
  struct enetjs_out *out = malloc(sizeof(*out));
  if (!out) return NULL;
  out->enet = enet;
  out->errors = errors;
  out->ipv6 = ipv6;
  out->refused = false;
  out_clear(out);
  /* A system that does not know the option would send a whole run as one datagram. */
  out->segmentation = enetjs_udp_segments(enet->socket);
  return out;
}

void enetjs_out_destroy(struct enetjs_out *out) { free(out); }
