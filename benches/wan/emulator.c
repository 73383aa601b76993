/* Long links between network namespaces of its own: delay, rate, a queue, loss, and faults on demand.
 *
 *     emulator run DELAY_US RATE LOSS_PPM QUEUE_US  [DELAY_US RATE LOSS_PPM QUEUE_US]...
 *     emulator enter NAMESPACE COMMAND...
 *
 * `run` makes one namespace for the client and one for the server of each link, joins them by pairs of TUN devices and
 * carries the packets. Nothing of it has a name: the namespaces hang on open files of this process, and are gone with
 * the last process in them. It prints "ready CLIENT_FD SERVER_FD..." and then answers each line on its standard input:
 *
 *     fault LINK FLOW RATE AFTER    once AFTER bytes have gone down the link, its connection number FLOW (1 is the
 *                                   first that was opened since the reset, 0 all of them) gets RATE bytes a second; 0 is
 *                                   silence in both directions                                           -> "ok"
 *     reset                         connections are numbered from 1 again, faults end, counters are zero   -> "ok"
 *     count                         per link: bytes and packets down, lost, overflowed, connections,
 *                                   packets of faulty connections, mean wait in the queue (us), then how late
 *                                   this process was at worst (us)                                       -> numbers
 *
 * It ends when its standard input does, so it never outlives whoever started it.
 *
 * Down is from server to client: that way has the rate, the queue and the loss. Up has only the delay. RATE is bytes a
 * second of whole IP packets. A *lane* is one queue with one rate: each link has one up and one down, and each fault
 * one more, so a slow connection does not hold up its neighbours.
 *
 * Packets move in ticks of 0.2 ms, as behind a network card that gathers interrupts; without that the wake-ups alone
 * would take a processor.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <math.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MTU = 1500, MAX_LINKS = 8, MAX_FAULTS = 4, LINE = 256, TX_QUEUE = 10000 };
static const int64_t TICK = 200000, SECOND = 1000000000; /* ns */

struct packet {
    struct packet *next;
    int64_t due; /* when it leaves the link, ns */
    int size;
    unsigned char bytes[MTU];
};

struct lane {
    struct packet *first, *last;
    double rate;   /* bytes a second; INFINITY: no limit */
    double loss;   /* 0 to 1 */
    int64_t delay; /* ns */
    int64_t depth; /* the longest wait in the queue, ns */
    int64_t idle;  /* when the sender is free again */
    int out;       /* the TUN device at the far end */
};

struct fault {
    int flow;
    double rate;
    int64_t after;
    struct lane lane;
};

struct link {
    int client, server; /* TUN devices */
    struct lane up, down;
    struct fault faults[MAX_FAULTS];
    int fault_count, flows;
    uint16_t flow_of[65536]; /* by the client's port; 0: opened before the reset */
    int64_t bytes, packets, lost, overflowed, struck, waited;
};

static struct link links[MAX_LINKS];
static int link_count;
static int64_t latest; /* the worst delay that this process itself has caused, ns */
static struct packet *spare;
static uint64_t dice = 88172645463325252u;

static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, ": %s\n", strerror(errno));
    exit(1);
}

static int64_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

static double random_share(void) /* xorshift, Marsaglia 2003 */
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (dice >> 11) / 9007199254740992.0;
}

/* --- namespaces and devices --------------------------------------------------------------------------------------- */

static void set_kernel(const char *path, const char *value)
{
    int file = open(path, O_WRONLY);
    if (file >= 0) {
        if (write(file, value, strlen(value)) < 0)
            fprintf(stderr, "%s stays as it is\n", path);
        close(file);
    }
}

static void raise_device(int control, const char *name)
{
    struct ifreq request = {0};
    snprintf(request.ifr_name, IFNAMSIZ, "%s", name);
    if (ioctl(control, SIOCGIFFLAGS, &request) < 0)
        fail("flags of %s", name);
    request.ifr_flags |= IFF_UP | IFF_RUNNING;
    if (ioctl(control, SIOCSIFFLAGS, &request) < 0)
        fail("%s up", name);
}

/* Move this process to a new namespace; the answer keeps it alive. */
static int new_namespace(void)
{
    if (unshare(CLONE_NEWNET) < 0)
        fail("new network namespace");
    int control = socket(AF_INET, SOCK_DGRAM, 0);
    raise_device(control, "lo");
    close(control);
    /* What one run learned of the path must not help the next one. */
    set_kernel("/proc/sys/net/ipv4/tcp_no_metrics_save", "1");
    int space = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (space < 0)
        fail("/proc/self/ns/net");
    return space;
}

static void set_address(int control, struct ifreq *request, unsigned long what, const char *address)
{
    struct sockaddr_in *place = (struct sockaddr_in *)&request->ifr_addr;
    memset(place, 0, sizeof *place);
    place->sin_family = AF_INET;
    inet_pton(AF_INET, address, &place->sin_addr);
    if (ioctl(control, what, request) < 0)
        fail("address %s", address);
}

/* A TUN device in the present namespace: 10.77.LINK.OWN, with 10.77.LINK.PEER behind it. */
static int new_device(int link, int own, int peer)
{
    int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (device < 0)
        fail("/dev/net/tun");
    struct ifreq request = {0};
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    snprintf(request.ifr_name, IFNAMSIZ, "wan%d", link);
    if (ioctl(device, TUNSETIFF, &request) < 0)
        fail("TUN device");
    char address[2][32];
    snprintf(address[0], sizeof address[0], "10.77.%d.%d", link, own);
    snprintf(address[1], sizeof address[1], "10.77.%d.%d", link, peer);
    int control = socket(AF_INET, SOCK_DGRAM, 0);
    set_address(control, &request, SIOCSIFADDR, address[0]);
    set_address(control, &request, SIOCSIFDSTADDR, address[1]);
    request.ifr_mtu = MTU;
    if (ioctl(control, SIOCSIFMTU, &request) < 0)
        fail("MTU");
    request.ifr_qlen = TX_QUEUE; /* a burst waits in the device until the next tick */
    if (ioctl(control, SIOCSIFTXQLEN, &request) < 0)
        fail("queue of the device");
    raise_device(control, request.ifr_name);
    close(control);
    return device;
}

/* --- lanes -------------------------------------------------------------------------------------------------------- */

static struct packet *new_packet(void)
{
    struct packet *packet = spare;
    if (packet != NULL)
        spare = packet->next;
    else if ((packet = malloc(sizeof *packet)) == NULL)
        fail("memory");
    return packet;
}

static void free_packet(struct packet *packet)
{
    packet->next = spare;
    spare = packet;
}

/* Put a packet into a lane, or drop it: by chance, or because it would wait too long. */
static void admit(struct link *link, struct lane *lane, struct packet *packet, int64_t now)
{
    if (lane->loss > 0 && random_share() < lane->loss) {
        link->lost++;
        free_packet(packet);
        return;
    }
    int64_t start = lane->idle > now ? lane->idle : now;
    if (start - now > lane->depth) {
        link->overflowed++;
        free_packet(packet);
        return;
    }
    lane->idle = start + (int64_t)(packet->size / lane->rate * SECOND);
    packet->due = lane->idle + lane->delay;
    packet->next = NULL;
    if (lane->first == NULL)
        lane->first = packet;
    else
        lane->last->next = packet;
    lane->last = packet;
    if (lane == &link->down)
        link->waited += start - now;
}

static void deliver(struct link *link, struct lane *lane, int64_t now)
{
    while (lane->first != NULL && lane->first->due <= now) {
        struct packet *packet = lane->first;
        lane->first = packet->next;
        if (now - packet->due > latest)
            latest = now - packet->due;
        if (lane != &link->up) {
            link->bytes += packet->size;
            link->packets++;
        }
        if (write(lane->out, packet->bytes, packet->size) < 0 && errno != EAGAIN && errno != EIO)
            fail("TUN device");
        free_packet(packet);
    }
}

static void empty(struct lane *lane)
{
    while (lane->first != NULL) {
        struct packet *packet = lane->first;
        lane->first = packet->next;
        free_packet(packet);
    }
}

/* --- connections and faults --------------------------------------------------------------------------------------- */

/* The number of the connection that a packet belongs to; 0 where it is no TCP or was opened before the reset. */
static int flow_number(struct link *link, const struct packet *packet, int upwards)
{
    const unsigned char *ip = packet->bytes;
    int head = (ip[0] & 15) * 4;
    if (packet->size < head + 14 || ip[9] != 6)
        return 0;
    const unsigned char *tcp = ip + head;
    int port = upwards ? tcp[0] << 8 | tcp[1] : tcp[2] << 8 | tcp[3];
    if (upwards && (tcp[13] & 0x12) == 0x02 && link->flow_of[port] == 0) /* SYN without ACK, not a second time */
        link->flow_of[port] = ++link->flows;
    return link->flow_of[port];
}

static struct fault *fault_of(struct link *link, int flow)
{
    for (int i = 0; i < link->fault_count; i++) {
        struct fault *fault = &link->faults[i];
        if (link->bytes >= fault->after && (fault->flow == 0 || fault->flow == flow))
            return fault;
    }
    return NULL;
}

static void route(struct link *link, struct packet *packet, int upwards, int64_t now)
{
    if (packet->bytes[0] >> 4 != 4) { /* the system's own IPv6 messages */
        free_packet(packet);
        return;
    }
    int flow = flow_number(link, packet, upwards);
    struct fault *fault = fault_of(link, flow);
    if (fault == NULL) {
        admit(link, upwards ? &link->up : &link->down, packet, now);
        return;
    }
    link->struck++;
    if (fault->rate <= 0)
        free_packet(packet);
    else
        admit(link, upwards ? &link->up : &fault->lane, packet, now);
}

static void receive(struct link *link, int upwards, int64_t now)
{
    for (;;) {
        struct packet *packet = new_packet();
        packet->size = read(upwards ? link->client : link->server, packet->bytes, MTU);
        if (packet->size < 20) {
            free_packet(packet);
            return;
        }
        route(link, packet, upwards, now);
    }
}

static int add_fault(int number, int flow, double rate, long long after)
{
    if (number < 0 || number >= link_count || links[number].fault_count >= MAX_FAULTS)
        return 0;
    struct link *link = &links[number];
    struct fault *fault = &link->faults[link->fault_count++];
    fault->flow = flow;
    fault->rate = rate;
    fault->after = after;
    fault->lane = link->down;
    fault->lane.first = fault->lane.last = NULL;
    fault->lane.idle = 0;
    fault->lane.rate = rate;
    fault->lane.depth = SECOND; /* as deep as a slow server's buffer: its bytes come late, not twice */
    return 1;
}

static void reset(void)
{
    for (int i = 0; i < link_count; i++) {
        struct link *link = &links[i];
        for (int j = 0; j < link->fault_count; j++)
            empty(&link->faults[j].lane);
        memset(link->flow_of, 0, sizeof link->flow_of);
        link->fault_count = link->flows = 0;
        link->bytes = link->packets = link->lost = link->overflowed = link->struck = link->waited = 0;
    }
    latest = 0;
}

/* --- what it is told ---------------------------------------------------------------------------------------------- */

static void count(void)
{
    for (int i = 0; i < link_count; i++) {
        struct link *link = &links[i];
        int64_t wait = link->packets ? link->waited / link->packets / 1000 : 0;
        printf("%lld %lld %lld %lld %d %lld %lld ", (long long)link->bytes, (long long)link->packets,
               (long long)link->lost, (long long)link->overflowed, link->flows, (long long)link->struck,
               (long long)wait);
    }
    printf("%lld\n", (long long)(latest / 1000));
}

static void obey(const char *line)
{
    int link, flow;
    double rate;
    long long after;
    if (strcmp(line, "count") == 0)
        count();
    else if (strcmp(line, "reset") == 0) {
        reset();
        puts("ok");
    } else if (sscanf(line, "fault %d %d %lf %lld", &link, &flow, &rate, &after) == 4)
        puts(add_fault(link, flow, rate, after) ? "ok" : "no such link, or too many faults");
    else
        puts("not understood");
    fflush(stdout);
}

/* Read what there is on standard input; 0 at its end. */
static int listen_to_owner(void)
{
    static char text[LINE];
    static size_t used;
    ssize_t got = read(0, text + used, sizeof text - 1 - used);
    if (got <= 0)
        return got < 0 && errno == EINTR;
    used += got;
    text[used] = 0;
    char *end;
    while ((end = strchr(text, '\n')) != NULL) {
        *end = 0;
        obey(text);
        used -= end + 1 - text;
        memmove(text, end + 1, used + 1);
    }
    return used < sizeof text - 1;
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static int anything_waits(void)
{
    for (int i = 0; i < link_count; i++) {
        struct link *link = &links[i];
        if (link->up.first != NULL || link->down.first != NULL)
            return 1;
        for (int j = 0; j < link->fault_count; j++)
            if (link->faults[j].lane.first != NULL)
                return 1;
    }
    return 0;
}

/* One tick: all that came in goes into its lane, all that is due goes out. */
static void carry(void)
{
    int64_t now = clock_now();
    for (int i = 0; i < link_count; i++) {
        struct link *link = &links[i];
        receive(link, 1, now);
        receive(link, 0, now);
        deliver(link, &link->up, now);
        deliver(link, &link->down, now);
        for (int j = 0; j < link->fault_count; j++)
            deliver(link, &link->faults[j].lane, now);
    }
}

static void run(void)
{
    struct pollfd watched[1 + 2 * MAX_LINKS] = {{.fd = 0, .events = POLLIN}};
    for (int i = 0; i < link_count; i++) {
        watched[1 + 2 * i] = (struct pollfd){.fd = links[i].client, .events = POLLIN};
        watched[2 + 2 * i] = (struct pollfd){.fd = links[i].server, .events = POLLIN};
    }
    const struct timespec tick = {.tv_nsec = TICK};
    for (;;) {
        /* While packets are under way only the clock and the owner are listened to; the devices can wait for a tick. */
        int waits = anything_waits();
        ppoll(watched, waits ? 1 : 1 + 2 * link_count, waits ? &tick : NULL, NULL);
        if (watched[0].revents != 0 && !listen_to_owner())
            return;
        carry();
    }
}

static void set_up(char **words)
{
    int client = new_namespace(), servers[MAX_LINKS];
    for (int i = 0; i < link_count; i++)
        links[i].client = new_device(i + 1, 1, 2);
    for (int i = 0; i < link_count; i++) {
        struct link *link = &links[i];
        servers[i] = new_namespace();
        link->server = new_device(i + 1, 2, 1);
        int64_t delay = atoll(words[4 * i]) * 1000;
        link->up = (struct lane){.rate = INFINITY, .delay = delay, .depth = SECOND, .out = link->server};
        link->down = (struct lane){.rate = atof(words[4 * i + 1]),
                                   .loss = atof(words[4 * i + 2]) / 1e6,
                                   .delay = delay,
                                   .depth = atoll(words[4 * i + 3]) * 1000,
                                   .out = link->client};
    }
    printf("ready %d", client);
    for (int i = 0; i < link_count; i++)
        printf(" %d", servers[i]);
    putchar('\n');
    fflush(stdout);
}

static int enter(const char *space, char **command)
{
    int file = open(space, O_RDONLY | O_CLOEXEC);
    if (file < 0 || setns(file, CLONE_NEWNET) < 0)
        fail("namespace %s", space);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* a server must not outlive a bench that was killed */
    execvp(command[0], command);
    fail("%s", command[0]);
    return 1;
}

int main(int count, char **words)
{
    if (count > 3 && strcmp(words[1], "enter") == 0)
        return enter(words[2], words + 3);
    link_count = (count - 2) / 4;
    if (count < 6 || strcmp(words[1], "run") != 0 || (count - 2) % 4 != 0 || link_count > MAX_LINKS) {
        fputs("usage: emulator run DELAY_US RATE LOSS_PPM QUEUE_US...\n", stderr);
        return 2;
    }
    set_up(words + 2);
    /* Packets must not wait for the programs that are measured. */
    struct sched_param first = {.sched_priority = 10};
    sched_setscheduler(0, SCHED_RR, &first);
    run();
    return 0;
}
