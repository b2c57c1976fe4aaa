// SPDX-License-Identifier: MIT
/* Packets out of netfilter's queue, in batches, and verdicts on them. Per packet nothing is allocated. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"
#include "nfqueue.h"

#define BATCH 64
#define MESSAGE_BYTES 768
/* Batches between two looks at what else there is to do. */
#define TURNS 8
/* Packets that the kernel keeps for us, and what it may use to tell of them. */
#define QUEUE_PACKETS 4096
#define SOCKET_BYTES (4 << 20)
/*
 * Packets whose receiver's MAC is not known yet, and how long they wait for it: as long as the kernel itself would. Who has
 * just roamed here has some hundred flows; who scans addresses that nobody has gets no more than his share.
 */
#define WAITING_MAX 1024
#define WAITING_EACH 768
#define WAITING_NS NS_PER_S

struct packet {
	uint32_t id, indev, physindev, outdev, physoutdev, length, info;
	uint8_t family, hook;
	bool tagged;
	const uint8_t *mac, *link, *payload;
	size_t link_bytes, payload_bytes;
};

struct waiting {
	uint32_t id;
	uint64_t until_ns;
	uint8_t address[16];
	struct routine_packet how;
	uint8_t frame[ROUTINE_FRAME_BYTES];
};

static int queue_fd = -1;
static struct waiting waiting[WAITING_MAX];
static unsigned int waiting_count;

/* --- setting up --- */

static int queue_configure(struct netlink_batch *batch, uint16_t type, const void *data, size_t bytes)
{
	struct nfgenmsg body = { .version = NFNETLINK_V0, .res_id = htons(settings.queue) };

	batch_clear(batch);
	batch_begin(batch, NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG, NLM_F_ACK, &body, sizeof(body));
	batch_bytes(batch, type, data, bytes);
	return batch_send_over(batch, queue_fd);
}

static int queue_flags(struct netlink_batch *batch)
{
	struct nfgenmsg body = { .version = NFNETLINK_V0, .res_id = htons(settings.queue) };
	uint32_t all = NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN;

	batch_clear(batch);
	batch_begin(batch, NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG, NLM_F_ACK, &body, sizeof(body));
	/* never the other flag: a queue that is full would let who floods it past the filter; it is not gone, only slow */
	batch_be32(batch, NFQA_CFG_FLAGS, NFQA_CFG_F_GSO);
	batch_be32(batch, NFQA_CFG_MASK, all);
	return batch_send_over(batch, queue_fd);
}

/* Packets that come before `queue_start` wait in the kernel. */
void queue_open(void)
{
	static struct netlink_batch batch;
	struct nfqnl_msg_config_cmd bind_command = { .command = NFQNL_CFG_CMD_BIND };
	struct nfqnl_msg_config_params params = { .copy_range = htonl(RW_PARSE_BYTES), .copy_mode = NFQNL_COPY_PACKET };
	uint32_t most = htonl(QUEUE_PACKETS);
	int bytes = SOCKET_BYTES, one = 1, error;

	queue_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (queue_fd < 0)
		die(EXIT_MISSING, "netfilter's netlink: %s (CONFIG_NETFILTER_NETLINK_QUEUE)", strerror(errno));
	error = queue_configure(&batch, NFQA_CFG_CMD, &bind_command, sizeof(bind_command));
	if (error == -EBUSY || error == -EPERM)
		die(EXIT_RUNTIME, "--queue %u: another program has it", settings.queue);
	if (!error)
		error = queue_configure(&batch, NFQA_CFG_PARAMS, &params, sizeof(params));
	if (!error)
		error = queue_configure(&batch, NFQA_CFG_QUEUE_MAXLEN, &most, sizeof(most));
	if (!error)
		error = queue_flags(&batch);
	if (error)
		die(EXIT_MISSING, "netfilter's queue: %s (CONFIG_NETFILTER_NETLINK_QUEUE)", strerror(-error));
	setsockopt(queue_fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(queue_fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &one, sizeof(one));
}

/* --- verdicts --- */

struct verdict {
	uint32_t id;
	bool pass;
};

static uint8_t *verdict_write(uint8_t *at, uint16_t type, struct verdict verdict)
{
	struct {
		struct nlmsghdr header;
		struct nfgenmsg body;
		struct nlattr attribute;
		struct nfqnl_msg_verdict_hdr verdict;
	} message = {
		.header = { .nlmsg_len = sizeof(message), .nlmsg_type = (uint16_t)(NFNL_SUBSYS_QUEUE << 8 | type),
			    .nlmsg_flags = NLM_F_REQUEST },
		.body = { .version = NFNETLINK_V0, .res_id = htons(settings.queue) },
		.attribute = { .nla_len = NLA_HDRLEN + sizeof(message.verdict), .nla_type = NFQA_VERDICT_HDR },
		.verdict = { .verdict = htonl(verdict.pass ? NF_ACCEPT : NF_DROP), .id = htonl(verdict.id) },
	};

	memcpy(at, &message, sizeof(message));
	return at + sizeof(message);
}

/*
 * Runs of equal verdicts are one message: it decides on every packet up to a number, so none may be waiting below it.
 * Numbers are in order.
 */
static void verdicts_send(const struct verdict *verdicts, unsigned int count)
{
	static uint8_t bytes[BATCH * 64];
	uint8_t *end = bytes;

	for (unsigned int i = 0, from; i < count; i = from) {
		for (from = i + 1; from < count && !waiting_count && verdicts[from].pass == verdicts[i].pass;)
			from++;
		end = verdict_write(end, from - i > 1 ? NFQNL_MSG_VERDICT_BATCH : NFQNL_MSG_VERDICT, verdicts[from - 1]);
	}
	if (count && send(queue_fd, bytes, (size_t)(end - bytes), 0) < 0)
		say("netfilter's queue: %s", strerror(errno));
}

void queue_decide(uint32_t id, bool pass)
{
	struct verdict verdict = { id, pass };

	verdicts_send(&verdict, 1);
}

/* --- a packet --- */

static uint32_t read_be32(const struct nlattr *attribute)
{
	uint32_t value;

	memcpy(&value, (const uint8_t *)attribute + NLA_HDRLEN, sizeof(value));
	return ntohl(value);
}

static void packet_attribute(struct packet *packet, const struct nlattr *attribute)
{
	const uint8_t *data = (const uint8_t *)attribute + NLA_HDRLEN;
	size_t bytes = attribute->nla_len - NLA_HDRLEN;

	switch (attribute->nla_type & NLA_TYPE_MASK) {
	case NFQA_PACKET_HDR:
		packet->id = read_be32(attribute);
		packet->hook = data[offsetof(struct nfqnl_msg_packet_hdr, hook)];
		break;
	case NFQA_IFINDEX_INDEV:
		packet->indev = read_be32(attribute);
		break;
	case NFQA_IFINDEX_PHYSINDEV:
		packet->physindev = read_be32(attribute);
		break;
	case NFQA_IFINDEX_OUTDEV:
		packet->outdev = read_be32(attribute);
		break;
	case NFQA_IFINDEX_PHYSOUTDEV:
		packet->physoutdev = read_be32(attribute);
		break;
	case NFQA_CAP_LEN:
		packet->length = read_be32(attribute);
		break;
	case NFQA_SKB_INFO:
		packet->info = read_be32(attribute);
		break;
	case NFQA_HWADDR:
		packet->mac = data + offsetof(struct nfqnl_msg_packet_hw, hw_addr);
		break;
	case NFQA_L2HDR:
		packet->link = data;
		packet->link_bytes = bytes;
		break;
	case NFQA_VLAN:
		packet->tagged = true;
		break;
	case NFQA_PAYLOAD:
		packet->payload = data;
		packet->payload_bytes = bytes;
		break;
	}
}

static bool packet_read(struct packet *packet, const struct nlmsghdr *message)
{
	const struct nfgenmsg *body = NLMSG_DATA(message);
	const uint8_t *at = (const uint8_t *)body + NLMSG_ALIGN(sizeof(*body));
	const uint8_t *end = (const uint8_t *)message + message->nlmsg_len;

	*packet = (struct packet){ .family = body->nfgen_family };
	while (at + NLA_HDRLEN <= end) {
		const struct nlattr *attribute = (const struct nlattr *)at;

		if (attribute->nla_len < NLA_HDRLEN || at + attribute->nla_len > end)
			return false;
		packet_attribute(packet, attribute);
		at += NLA_ALIGN(attribute->nla_len);
	}
	if (packet->length < packet->payload_bytes)
		packet->length = (uint32_t)packet->payload_bytes;
	return packet->payload != NULL;
}

/* IPv4 as ::ffff:a.b.c.d. False: not even the addresses are there. */
static bool ip_address(const struct packet *packet, bool destination, uint8_t address[16])
{
	bool v4 = packet->family == NFPROTO_IPV4;
	size_t bytes = v4 ? 4 : 16, at = v4 ? 12 : 8;

	memset(address, 0, 10);
	address[10] = address[11] = 0xff;
	if (destination)
		at += bytes;
	if (packet->payload_bytes < at + bytes)
		return false;
	memcpy(address + 16 - bytes, packet->payload + at, bytes);
	return true;
}

static bool group_mac(const uint8_t address[16], bool v4, uint8_t mac[6])
{
	const uint8_t *a = address + 12;

	if (v4 && a[0] >> 4 == 14)
		memcpy(mac, (uint8_t[]){ 0x01, 0, 0x5e, a[1] & 0x7f, a[2], a[3] }, 6);
	else if (v4 && !memcmp(a, "\xff\xff\xff\xff", 4))
		memset(mac, 0xff, 6);
	else if (!v4 && address[0] == 0xff)
		memcpy(mac, (uint8_t[]){ 0x33, 0x33, a[0], a[1], a[2], a[3] }, 6);
	else
		return false;
	return true;
}

/* A header such as the packet has, or will have, on the client's side. False: the receiver's MAC is not known. */
static bool frame_head(const struct packet *packet, const struct routine_packet *how, uint8_t address[16], uint8_t *frame)
{
	bool v4 = packet->family == NFPROTO_IPV4, known = true;

	memset(frame, 0, 12);
	frame[12] = v4 ? 0x08 : 0x86;
	frame[13] = v4 ? 0x00 : 0xdd;
	if (!ip_address(packet, true, address))
		return true;
	if (!group_mac(address, v4, frame) && how->to_client)
		known = stations_find(how->ifindex, address, frame);
	if (!how->to_client && packet->mac)
		memcpy(frame + 6, packet->mac, 6);
	return known;
}

/* Only who may send teaches: a stranger's packets name whatever address he likes. */
static void learn(const struct packet *packet, const struct routine_packet *how)
{
	uint8_t address[16];

	if (packet->family != NFPROTO_BRIDGE && !how->to_client && packet->mac && ip_address(packet, false, address))
		stations_learn(how->ifindex, address, packet->mac);
}

static void frame_body(const struct packet *packet, size_t head, struct routine_packet *how, uint8_t *frame)
{
	size_t room = ROUTINE_FRAME_BYTES - head, bytes = packet->payload_bytes < room ? packet->payload_bytes : room;

	memcpy(frame + head, packet->payload, bytes);
	memset(frame + head + bytes, 0, room - bytes);
	how->length = (uint32_t)head + packet->length;
}

static struct routine_packet packet_how(const struct packet *packet)
{
	bool to_client = packet->hook == NF_INET_POST_ROUTING;
	uint32_t dev = to_client ? packet->outdev : packet->indev;
	uint32_t port = to_client ? packet->physoutdev : packet->physindev;

	return (struct routine_packet){
		.ifindex = port ? port : dev,
		.to_client = to_client,
		.tagged = packet->tagged,
		.gso = packet->info & NFQA_SKB_GSO,
		.no_origin = !packet->indev && !packet->physindev,
	};
}

static bool waiting_has_room(const uint8_t address[16])
{
	unsigned int same = 0;

	for (unsigned int i = 0; i < waiting_count; i++)
		same += !memcmp(waiting[i].address, address, 16);
	return waiting_count < WAITING_MAX && same < WAITING_EACH;
}

/* Or is dropped. */
static void wait_for_receiver(const struct packet *packet, const struct routine_packet *how, const uint8_t *address)
{
	struct waiting *one = &waiting[waiting_count];

	if (!waiting_has_room(address)) {
		routine_count(RW_REASON_BUSY);
		queue_decide(packet->id, false);
		return;
	}
	waiting_count++;
	one->id = packet->id;
	one->until_ns = clock_ns() + WAITING_NS;
	one->how = *how;
	memcpy(one->address, address, sizeof(one->address));
	memcpy(one->frame, routine_frame(), sizeof(one->frame));
	stations_ask(how->ifindex, address);
}

/* False: there is no verdict yet. */
static bool packet_judge(const struct packet *packet, bool *pass)
{
	struct routine_packet how = packet_how(packet);
	uint8_t *frame = routine_frame(), address[16];
	bool known = true;
	size_t head = 14;

	if (packet->family == NFPROTO_BRIDGE) {
		head = packet->link_bytes;
		if (head < 14 || head > 18) {
			*pass = false;
			return true;
		}
		memcpy(frame, packet->link, head);
	} else {
		known = frame_head(packet, &how, address, frame);
	}
	frame_body(packet, head, &how, frame);
	/* what the AP sends by itself needs no receiver that is known */
	if (!known && !routine_is_own(&how)) {
		wait_for_receiver(packet, &how, address);
		return false;
	}
	*pass = routine_judge(&how);
	if (*pass)
		learn(packet, &how);
	return true;
}

/* --- packets whose receiver was unknown --- */

void queue_retry(void)
{
	unsigned int kept = 0, count = waiting_count;

	memory_set_now(clock_ns());
	for (unsigned int i = 0; i < count; i++) {
		const struct waiting *one = &waiting[i];
		uint8_t *frame = routine_frame();

		memcpy(frame, one->frame, sizeof(one->frame));
		if (stations_find(one->how.ifindex, one->address, frame))
			queue_decide(one->id, routine_judge(&one->how));
		else
			memmove(&waiting[kept++], one, sizeof(*one));
	}
	waiting_count = kept;
}

/* Whom the kernel does not find either gets nothing. Returns when it wants to be called again. */
uint64_t queue_run(uint64_t now)
{
	unsigned int late = 0;

	while (late < waiting_count && waiting[late].until_ns <= now)
		queue_decide(waiting[late++].id, false);
	waiting_count -= late;
	if (late)
		memmove(waiting, waiting + late, waiting_count * sizeof(waiting[0]));
	return waiting_count ? waiting[0].until_ns : NEVER;
}

/* --- the loop --- */

static unsigned int batch_judge(struct mmsghdr *messages, unsigned int count)
{
	struct verdict verdicts[BATCH];
	unsigned int decided = 0;

	memory_set_now(clock_ns());
	for (unsigned int i = 0; i < count; i++) {
		const struct nlmsghdr *message = messages[i].msg_hdr.msg_iov->iov_base;
		size_t bytes = messages[i].msg_len;
		struct packet packet;
		bool pass;

		if (!NLMSG_OK(message, bytes) || message->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET))
			continue;
		if (!packet_read(&packet, message))
			pass = false;
		else if (!packet_judge(&packet, &pass))
			continue;
		verdicts[decided++] = (struct verdict){ packet.id, pass };
	}
	verdicts_send(verdicts, decided);
	return count;
}

static void queue_ready(uint32_t events)
{
	static uint8_t bytes[BATCH][MESSAGE_BYTES] __attribute__((aligned(8)));
	static struct iovec places[BATCH];
	static struct mmsghdr messages[BATCH];

	(void)events;
	for (unsigned int i = 0; i < BATCH && !places[i].iov_base; i++) {
		places[i] = (struct iovec){ bytes[i], MESSAGE_BYTES };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &places[i], .msg_iovlen = 1 };
	}
	for (int turn = 0; turn < TURNS; turn++) {
		int count = recvmmsg(queue_fd, messages, BATCH, MSG_DONTWAIT, NULL);

		if (count <= 0 || batch_judge(messages, (unsigned int)count) < BATCH)
			return;
	}
}

void queue_start(void)
{
	if (loop_add(queue_fd, queue_ready))
		die(EXIT_RUNTIME, "event loop: %s", strerror(errno));
}
