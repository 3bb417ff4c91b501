/**
 * @file pcapng_reader.h
 * @brief A strict reader of captures, written from the format and not from what writes it. Any fault fails
 * the test: a block that is cut off, lengths that differ, a wrong checksum.
 */
#ifndef ENETJS_TESTS_PCAPNG_READER_H
#define ENETJS_TESTS_PCAPNG_READER_H

#include <string.h>

#include "../harness.h"

struct packet_read {
  uint64_t time_ns;
  uint32_t direction; /**< 1: received, 2: sent */
  uint64_t drop_count;
  unsigned version;         /**< of IP */
  uint8_t from[16], to[16]; /**< 4 bytes of them with IPv4 */
  uint16_t from_port, to_port;
  const uint8_t *bytes;
  size_t length;
};

struct capture_read {
  size_t packets;
  uint64_t dropped;                  /**< sum of the drop counts of packets */
  bool ended;                        /**< there are statistics */
  uint64_t counted, counted_dropped; /**< as these say */
  size_t bytes;                      /**< of the file */
};

static inline uint32_t u32_at(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, sizeof(value));
  return value;
}

static inline uint16_t u16_at(const uint8_t *at) {
  uint16_t value;
  memcpy(&value, at, sizeof(value));
  return value;
}

static inline uint64_t u64_at(const uint8_t *at) {
  uint64_t value;
  memcpy(&value, at, sizeof(value));
  return value;
}

static inline uint16_t big_16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static inline uint32_t ones_sum(uint32_t sum, const uint8_t *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
  while (sum > 0xFFFF) sum = (sum & 0xFFFF) + (sum >> 16);
  return sum;
}

/* Finds an option among those of a block. @returns where its value is, or NULL */
static inline const uint8_t *option_find(const uint8_t *at, const uint8_t *end, unsigned code,
                                         size_t length) {
  while (at < end) {
    unsigned found = u16_at(at), bytes = u16_at(at + 2);
    CHECK((size_t)(end - at) >= 4 + (bytes + 3) / 4 * 4);
    if (found == 0) {
      CHECK(bytes == 0 && at + 4 == end);
      return NULL;
    }
    if (found == code) {
      CHECK_EQ_INT(bytes, length);
      return at + 4;
    }
    at += 4 + (bytes + 3) / 4 * 4;
  }
  return NULL;
}

static inline void packet_parse(const uint8_t *ip, size_t length, struct packet_read *packet) {
  const uint8_t *addresses, *udp;
  size_t address_bytes;
  packet->version = ip[0] >> 4;
  if (packet->version == 4) {
    CHECK(length >= 28 && ip[0] == 0x45 && ip[9] == 17);
    CHECK_EQ_INT(big_16(ip + 2), length);
    CHECK_EQ_INT(ones_sum(0, ip, 20), 0xFFFF);
    addresses = ip + 12;
    address_bytes = 4;
    udp = ip + 20;
  } else {
    CHECK_EQ_INT(packet->version, 6);
    CHECK(length >= 48 && ip[6] == 17);
    CHECK_EQ_INT(big_16(ip + 4), length - 40);
    addresses = ip + 8;
    address_bytes = 16;
    udp = ip + 40;
  }
  length -= (size_t)(udp - ip);
  CHECK_EQ_INT(big_16(udp + 4), length);
  CHECK(big_16(udp + 6) != 0);
  CHECK_EQ_INT(ones_sum(ones_sum(17 + (uint32_t)length, addresses, 2 * address_bytes), udp, length), 0xFFFF);
  memcpy(packet->from, addresses, address_bytes);
  memcpy(packet->to, addresses + address_bytes, address_bytes);
  packet->from_port = big_16(udp);
  packet->to_port = big_16(udp + 2);
  packet->bytes = udp + 8;
  packet->length = length - 8;
}

static inline void packet_read(const uint8_t *block, const uint8_t *end, struct packet_read *packet) {
  uint32_t captured = u32_at(block + 20);
  const uint8_t *options = block + 28 + (captured + 3) / 4 * 4, *value;
  CHECK_EQ_INT(u32_at(block + 8), 0);
  CHECK_EQ_INT(u32_at(block + 24), captured);
  CHECK(options <= end);
  packet->time_ns = (uint64_t)u32_at(block + 12) << 32 | u32_at(block + 16);
  value = option_find(options, end, 2, 4);
  CHECK(value);
  packet->direction = u32_at(value);
  value = option_find(options, end, 4, 8);
  packet->drop_count = value ? u64_at(value) : 0;
  packet_parse(block + 28, captured, packet);
}

/* Reads a file. @param on_packet is given each datagram, or NULL */
static inline struct capture_read capture_read(const char *path,
                                               void (*on_packet)(void *, const struct packet_read *),
                                               void *context) {
  struct capture_read result = {0};
  FILE *file = fopen(path, "rb");
  uint8_t *bytes;
  long size;
  CHECK(file != NULL);
  CHECK_EQ_INT(fseek(file, 0, SEEK_END), 0);
  size = ftell(file);
  rewind(file);
  bytes = malloc((size_t)size + 1);
  CHECK(bytes != NULL);
  CHECK_EQ_INT(fread(bytes, 1, (size_t)size, file), size);
  fclose(file);
  result.bytes = (size_t)size;
  for (size_t at = 0, number = 0; at < result.bytes; number++) {
    const uint8_t *block = bytes + at, *end;
    uint32_t type, length;
    CHECK(result.bytes - at >= 12);
    type = u32_at(block);
    length = u32_at(block + 4);
    CHECK(length % 4 == 0 && length >= 12 && length <= result.bytes - at);
    end = block + length - 4;
    CHECK_EQ_INT(u32_at(end), length);
    CHECK(!result.ended);
    if (number == 0) {
      CHECK_EQ_INT(type, 0x0A0D0D0A);
      CHECK_EQ_INT(u32_at(block + 8), 0x1A2B3C4D);
      CHECK(u16_at(block + 12) == 1 && u16_at(block + 14) == 0);
    } else if (number == 1) {
      CHECK_EQ_INT(type, 1);
      CHECK_EQ_INT(u16_at(block + 8), 101);
      CHECK_EQ_INT(*option_find(block + 16, end, 9, 1), 9);
    } else if (type == 5) {
      result.ended = true;
      result.counted = u64_at(option_find(block + 20, end, 4, 8));
      result.counted_dropped = u64_at(option_find(block + 20, end, 5, 8));
    } else {
      struct packet_read packet;
      CHECK_EQ_INT(type, 6);
      packet_read(block, end, &packet);
      result.packets++;
      result.dropped += packet.drop_count;
      if (on_packet) on_packet(context, &packet);
    }
    at += length;
  }
  free(bytes);
  return result;
}

#endif
