/**
 * @file pcapng.h
 * @brief Blocks of the pcapng format, which Wireshark and tcpdump read, of datagrams without IP headers.
 *
 * The link type is raw IP (101). IPv4 or IPv6 headers and UDP headers are made up, with right checksums, and
 * as if nothing had been split into fragments. Times are nanoseconds since 1970.
 * The format: https://ietf-opsawg-wg.github.io/draft-ietf-opsawg-pcap/draft-ietf-opsawg-pcapng.html
 *
 * Pure functions: any thread may call.
 */
#ifndef ENETJS_PCAPNG_H
#define ENETJS_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/endpoint.h"

#define ENETJS_PCAPNG_MAXIMUM 65507 /**< bytes of a datagram */

/** Room for any block. */
typedef uint8_t enetjs_pcapng_room[ENETJS_PCAPNG_MAXIMUM + 256];

/** A datagram that was sent or received. */
struct enetjs_pcapng_datagram {
  uint64_t time_ns;
  struct enetjs_endpoint from, to; /**< both IPv4, or both IPv6 */
  bool received;
  uint64_t dropped; /**< datagrams that are missing between the one before and this one */
  const uint8_t *bytes;
  size_t length; /**< ENETJS_PCAPNG_MAXIMUM at most */
};

/**
 * Writes the first two blocks of a file: its header, and one interface.
 * @param description of the interface, 128 bytes at most
 * @returns bytes written
 */
size_t enetjs_pcapng_begin(enetjs_pcapng_room out, const char *description);

/** Writes an Enhanced Packet Block. @returns bytes written */
size_t enetjs_pcapng_datagram(enetjs_pcapng_room out, const struct enetjs_pcapng_datagram *datagram);

/** Writes the last block: Interface Statistics. @returns bytes written */
size_t enetjs_pcapng_end(enetjs_pcapng_room out, uint64_t time_ns, uint64_t datagrams, uint64_t dropped);

#endif
