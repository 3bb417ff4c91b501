/*
 * See pcapng.h. Numbers of blocks have the byte order of this machine, which the file's header tells; those
 * of IP and UDP are big endian.
 */
#include "wire/pcapng.h"

#include <string.h>

enum {
  BLOCK_SECTION = 0x0A0D0D0A,
  BLOCK_INTERFACE = 1,
  BLOCK_STATISTICS = 5,
  BLOCK_PACKET = 6,
  BYTE_ORDER_MAGIC = 0x1A2B3C4D,
  LINK_RAW_IP = 101,
  OPTION_END = 0,
  OPTION_PROGRAM = 4,     /* of a section */
  OPTION_DESCRIPTION = 3, /* this and the next: of an interface */
  OPTION_RESOLUTION = 9,
  OPTION_FLAGS = 2, /* this and the next: of a packet */
  OPTION_DROP_COUNT = 4,
  OPTION_RECEIVED = 4, /* this and the next: of statistics */
  OPTION_DROPPED = 5,
  INBOUND = 1,
  OUTBOUND = 2,
  NANOSECONDS = 9, /* a resolution: ten to the power of minus nine */
  IPV4_HEADER = 20,
  IPV6_HEADER = 40,
  UDP_HEADER = 8,
  PROTOCOL_UDP = 17,
  HOPS = 64
};

/* ---- Blocks ---------------------------------------------------------------------------------- */

/* Where the next bytes go. */
struct writer {
  uint8_t *start, *at;
};

static void put(struct writer *writer, const void *bytes, size_t length) {
  memcpy(writer->at, bytes, length);
  writer->at += length;
}

static void put_16(struct writer *writer, uint16_t value) { put(writer, &value, sizeof(value)); }
static void put_32(struct writer *writer, uint32_t value) { put(writer, &value, sizeof(value)); }

static void put_time(struct writer *writer, uint64_t time_ns) {
  put_32(writer, (uint32_t)(time_ns >> 32));
  put_32(writer, (uint32_t)time_ns);
}

static void pad(struct writer *writer) {
  while ((writer->at - writer->start) % 4 != 0) *writer->at++ = 0;
}

static void put_option(struct writer *writer, uint16_t code, const void *bytes, size_t length) {
  put_16(writer, code);
  put_16(writer, (uint16_t)length);
  if (length > 0) put(writer, bytes, length);
  pad(writer);
}

static struct writer block_begin(uint8_t *at, uint32_t type) {
  struct writer writer = {at, at};
  put_32(&writer, type);
  put_32(&writer, 0); /* its length, which block_end writes */
  return writer;
}

/* @returns its length */
static size_t block_end(struct writer *writer) {
  uint32_t length;
  put_option(writer, OPTION_END, NULL, 0);
  length = (uint32_t)(writer->at - writer->start) + (uint32_t)sizeof(length);
  put_32(writer, length);
  memcpy(writer->start + 4, &length, sizeof(length));
  return length;
}

static size_t section(uint8_t *out) {
  static const char program[] = "@enetjs/enet";
  static const uint64_t unknown = UINT64_MAX; /* the length of the section */
  struct writer writer = block_begin(out, BLOCK_SECTION);
  put_32(&writer, BYTE_ORDER_MAGIC);
  put_16(&writer, 1); /* version 1.0 */
  put_16(&writer, 0);
  put(&writer, &unknown, sizeof(unknown));
  put_option(&writer, OPTION_PROGRAM, program, sizeof(program) - 1);
  return block_end(&writer);
}

static size_t interface(uint8_t *out, const char *description) {
  static const uint8_t resolution = NANOSECONDS;
  struct writer writer = block_begin(out, BLOCK_INTERFACE);
  put_16(&writer, LINK_RAW_IP);
  put_16(&writer, 0); /* reserved */
  put_32(&writer, 0); /* packets are whole */
  put_option(&writer, OPTION_DESCRIPTION, description, strlen(description));
  put_option(&writer, OPTION_RESOLUTION, &resolution, sizeof(resolution));
  return block_end(&writer);
}

size_t enetjs_pcapng_begin(enetjs_pcapng_room out, const char *description) {
  size_t length = section(out);
  return length + interface(out + length, description);
}

size_t enetjs_pcapng_end(enetjs_pcapng_room out, uint64_t time_ns, uint64_t datagrams, uint64_t dropped) {
  struct writer writer = block_begin(out, BLOCK_STATISTICS);
  put_32(&writer, 0); /* the interface */
  put_time(&writer, time_ns);
  put_option(&writer, OPTION_RECEIVED, &datagrams, sizeof(datagrams));
  put_option(&writer, OPTION_DROPPED, &dropped, sizeof(dropped));
  return block_end(&writer);
}

/* ---- Headers of IP and UDP ------------------------------------------------------------------- */

static void write_16(uint8_t *at, uint32_t value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

static void write_32(uint8_t *at, uint32_t value) {
  write_16(at, value >> 16);
  write_16(at + 2, value);
}

/* The sum of 16-bit words on which checksums of IP and UDP are based (RFC 1071). */
static uint64_t sum_of(const uint8_t *bytes, size_t length) {
  uint64_t sum = 0;
  for (; length > 1; bytes += 2, length -= 2) sum += (uint32_t)bytes[0] << 8 | bytes[1];
  return length > 0 ? sum + ((uint32_t)bytes[0] << 8) : sum;
}

static uint32_t checksum_of(uint64_t sum) {
  while (sum >> 16) sum = (sum & 0xFFFF) + (sum >> 16);
  return ~(uint32_t)sum & 0xFFFF;
}

/* @returns where the addresses are, which lie one behind the other */
static uint8_t *write_ipv4(uint8_t *at, const struct enetjs_pcapng_datagram *datagram, size_t udp_length) {
  memset(at, 0, IPV4_HEADER);
  at[0] = 0x45; /* version 4, five words */
  write_16(at + 2, (uint32_t)(IPV4_HEADER + udp_length));
  at[6] = 0x40; /* not to be split */
  at[8] = HOPS;
  at[9] = PROTOCOL_UDP;
  write_32(at + 12, enetjs_endpoint_ipv4(&datagram->from));
  write_32(at + 16, enetjs_endpoint_ipv4(&datagram->to));
  write_16(at + 10, checksum_of(sum_of(at, IPV4_HEADER)));
  return at + 12;
}

static uint8_t *write_ipv6(uint8_t *at, const struct enetjs_pcapng_datagram *datagram, size_t udp_length) {
  memset(at, 0, 8);
  at[0] = 0x60; /* version 6 */
  write_16(at + 4, (uint32_t)udp_length);
  at[6] = PROTOCOL_UDP;
  at[7] = HOPS;
  for (unsigned word = 0; word < ENETJS_ENDPOINT_WORDS; word++) {
    write_32(at + 8 + 4 * word, enetjs_endpoint_word(&datagram->from, word));
    write_32(at + 24 + 4 * word, enetjs_endpoint_word(&datagram->to, word));
  }
  return at + 8;
}

/* @returns bytes written */
static size_t write_packet(uint8_t *out, const struct enetjs_pcapng_datagram *datagram) {
  bool ipv4 = enetjs_endpoint_is_ipv4(&datagram->from);
  size_t header = ipv4 ? IPV4_HEADER : IPV6_HEADER, udp_length = UDP_HEADER + datagram->length;
  uint8_t *udp = out + header;
  const uint8_t *addresses = (ipv4 ? write_ipv4 : write_ipv6)(out, datagram, udp_length);
  uint64_t sum = PROTOCOL_UDP + udp_length + sum_of(addresses, ipv4 ? 8 : 32);
  uint32_t checksum;
  write_16(udp, datagram->from.port);
  write_16(udp + 2, datagram->to.port);
  write_16(udp + 4, (uint32_t)udp_length);
  write_16(udp + 6, 0);
  memcpy(udp + UDP_HEADER, datagram->bytes, datagram->length);
  checksum = checksum_of(sum + sum_of(udp, udp_length));
  write_16(udp + 6, checksum == 0 ? 0xFFFF : checksum); /* 0 would mean that there is none */
  return header + udp_length;
}

size_t enetjs_pcapng_datagram(enetjs_pcapng_room out, const struct enetjs_pcapng_datagram *datagram) {
  static const uint32_t lengths_at = 20; /* of the two lengths: behind type, length, interface and time */
  uint32_t direction = datagram->received ? INBOUND : OUTBOUND, length;
  struct writer writer = block_begin(out, BLOCK_PACKET);
  put_32(&writer, 0); /* the interface */
  put_time(&writer, datagram->time_ns);
  writer.at += 2 * sizeof(length);
  length = (uint32_t)write_packet(writer.at, datagram);
  memcpy(out + lengths_at, &length, sizeof(length));
  memcpy(out + lengths_at + sizeof(length), &length, sizeof(length));
  writer.at += length;
  pad(&writer);
  put_option(&writer, OPTION_FLAGS, &direction, sizeof(direction));
  if (datagram->dropped > 0)
    put_option(&writer, OPTION_DROP_COUNT, &datagram->dropped, sizeof(datagram->dropped));
  return block_end(&writer);
}
