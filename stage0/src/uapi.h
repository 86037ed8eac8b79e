/*
 * Private copies of the kernel structures and numbers that stage0 uses. musl's own headers carry
 * none of them and the compiler wrapper does not see <linux/...>, so each copy is pinned by size
 * and offset. Sources: include/uapi/linux/ ublk_cmd.h, io_uring.h, aio_abi.h, usb/functionfs.h,
 * landlock.h and elf.h.
 */
#ifndef STAGE0_UAPI_H
#define STAGE0_UAPI_H

#include <stddef.h>
#include <stdint.h>

/* --- io_uring -------------------------------------------------------------------------------- */

#define IORING_OP_READ 22
#define IORING_OP_URING_CMD 46
#define IORING_SETUP_COOP_TASKRUN (1U << 8)
#define IORING_SETUP_SQE128 (1U << 10)
#define IORING_ENTER_GETEVENTS 1U
#define IORING_OFF_SQ_RING 0ULL
#define IORING_OFF_CQ_RING 0x8000000ULL
#define IORING_OFF_SQES 0x10000000ULL

struct uring_sq_offsets {
    uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, resv1;
    uint64_t user_addr;
};
struct uring_cq_offsets {
    uint32_t head, tail, ring_mask, ring_entries, overflow, cqes, flags, resv1;
    uint64_t user_addr;
};
struct uring_params {
    uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd;
    uint32_t resv[3];
    struct uring_sq_offsets sq_off;
    struct uring_cq_offsets cq_off;
};
_Static_assert(sizeof(struct uring_params) == 120, "io_uring_params");
_Static_assert(offsetof(struct uring_params, cq_off) == 80, "io_uring_params.cq_off");

/* A 128-byte submission entry (IORING_SETUP_SQE128): the command lives in the last 80 bytes. */
struct uring_sqe {
    uint8_t opcode, flags;
    uint16_t ioprio;
    int32_t fd;
    union {
        uint64_t off;
        uint32_t cmd_op;
    };
    uint64_t addr;
    uint32_t len, rw_flags;
    uint64_t user_data;
    uint16_t buf_index, personality;
    uint32_t file_index;
    uint8_t cmd[80];
};
_Static_assert(sizeof(struct uring_sqe) == 128, "io_uring_sqe128");
_Static_assert(offsetof(struct uring_sqe, cmd_op) == 8, "io_uring_sqe.cmd_op");
_Static_assert(offsetof(struct uring_sqe, user_data) == 32, "io_uring_sqe.user_data");
_Static_assert(offsetof(struct uring_sqe, cmd) == 48, "io_uring_sqe.cmd");

struct uring_cqe {
    uint64_t user_data;
    int32_t res;
    uint32_t flags;
};
_Static_assert(sizeof(struct uring_cqe) == 16, "io_uring_cqe");

/* --- ublk ------------------------------------------------------------------------------------ */

#define UBLK_CMD_ADD_DEV 0x04
#define UBLK_CMD_START_DEV 0x06
#define UBLK_CMD_SET_PARAMS 0x08
#define UBLK_IO_FETCH_REQ 0x20
#define UBLK_IO_COMMIT_AND_FETCH_REQ 0x21
/* _IOWR('u', nr, size): control commands are 32 bytes, I/O commands 16. */
#define UBLK_CTRL_ENCODED(nr) (0xC0207500U | (nr))
#define UBLK_IO_ENCODED(nr) (0xC0107500U | (nr))
#define UBLK_F_CMD_IOCTL_ENCODE (1ULL << 6)
#define UBLK_MAX_QUEUE_DEPTH 4096
#define UBLK_PARAM_TYPE_BASIC 1U
#define UBLK_ATTR_READ_ONLY 1U
#define UBLK_IO_OP_READ 0
#define UBLK_IO_OP_WRITE 1
#define UBLK_IO_OP_FLUSH 2

struct ublk_ctrl_cmd {
    uint32_t dev_id;
    uint16_t queue_id, len;
    uint64_t addr, data;
    uint16_t dev_path_len, pad;
    uint32_t reserved;
};
_Static_assert(sizeof(struct ublk_ctrl_cmd) == 32, "ublksrv_ctrl_cmd");
_Static_assert(offsetof(struct ublk_ctrl_cmd, addr) == 8, "ublksrv_ctrl_cmd.addr");
_Static_assert(offsetof(struct ublk_ctrl_cmd, data) == 16, "ublksrv_ctrl_cmd.data");

struct ublk_dev_info {
    uint16_t nr_hw_queues, queue_depth, state, pad0;
    uint32_t max_io_buf_bytes, dev_id;
    int32_t ublksrv_pid;
    uint32_t pad1;
    uint64_t flags, ublksrv_flags;
    uint32_t owner_uid, owner_gid;
    uint64_t reserved1, reserved2;
};
_Static_assert(sizeof(struct ublk_dev_info) == 64, "ublksrv_ctrl_dev_info");
_Static_assert(offsetof(struct ublk_dev_info, flags) == 24, "ublksrv_ctrl_dev_info.flags");

struct ublk_param_basic {
    uint32_t attrs;
    uint8_t logical_bs_shift, physical_bs_shift, io_opt_shift, io_min_shift;
    uint32_t max_sectors, chunk_sectors;
    uint64_t dev_sectors, virt_boundary_mask;
};
/* The header and the basic part only: the kernel takes any length up to its own. */
struct ublk_params {
    uint32_t len, types;
    struct ublk_param_basic basic;
    uint8_t unused[96];
};
_Static_assert(sizeof(struct ublk_param_basic) == 32, "ublk_param_basic");
_Static_assert(sizeof(struct ublk_params) == 136, "ublk_params");

struct ublk_io_desc {
    uint32_t op_flags, nr_sectors;
    uint64_t start_sector, addr;
};
_Static_assert(sizeof(struct ublk_io_desc) == 24, "ublksrv_io_desc");

struct ublk_io_cmd {
    uint16_t q_id, tag;
    int32_t result;
    uint64_t addr;
};
_Static_assert(sizeof(struct ublk_io_cmd) == 16, "ublksrv_io_cmd");

/* --- Linux AIO (both architectures here are little-endian) ----------------------------------- */

#define IOCB_CMD_PREAD 0
#define IOCB_CMD_PWRITE 1
#define IOCB_FLAG_RESFD 1U

struct aio_block {
    uint64_t data;
    uint32_t key, rw_flags;
    uint16_t opcode;
    int16_t reqprio;
    uint32_t fildes;
    uint64_t buf, nbytes;
    int64_t offset;
    uint64_t reserved2;
    uint32_t flags, resfd;
};
_Static_assert(sizeof(struct aio_block) == 64, "iocb");
_Static_assert(offsetof(struct aio_block, buf) == 24, "iocb.aio_buf");
_Static_assert(offsetof(struct aio_block, flags) == 56, "iocb.aio_flags");

struct aio_event {
    uint64_t data, obj;
    int64_t res, res2;
};
_Static_assert(sizeof(struct aio_event) == 32, "io_event");

/* --- FunctionFS ------------------------------------------------------------------------------ */

#define FFS_STRINGS_MAGIC 2U
#define FFS_DESCRIPTORS_MAGIC_V2 3U
#define FFS_HAS_FS_DESC 1U
#define FFS_HAS_HS_DESC 2U
#define FFS_HAS_SS_DESC 4U
#define FFS_FIFO_FLUSH 0x6702 /* _IO('g', 2) */

enum ffs_event_type {
    FFS_BIND,
    FFS_UNBIND,
    FFS_ENABLE,
    FFS_DISABLE,
    FFS_SETUP,
    FFS_SUSPEND,
    FFS_RESUME,
};

struct usb_setup {
    uint8_t request_type, request;
    uint16_t value, index, length;
};
struct ffs_event {
    struct usb_setup setup;
    uint8_t type, pad[3];
};
_Static_assert(sizeof(struct usb_setup) == 8, "usb_ctrlrequest");
_Static_assert(sizeof(struct ffs_event) == 12, "usb_functionfs_event");

/* --- Landlock (include/uapi/linux/landlock.h, ABI 6) ----------------------------------------- */

#define SYS_LANDLOCK_CREATE_RULESET 444 /* the same on every architecture */
#define SYS_LANDLOCK_RESTRICT_SELF 446
#define LANDLOCK_SCOPE_SIGNAL (1ULL << 1)

struct landlock_ruleset {
    uint64_t handled_access_fs, handled_access_net, scoped;
};
_Static_assert(sizeof(struct landlock_ruleset) == 24, "landlock_ruleset_attr");

/* --- ELF64 (include/uapi/linux/elf.h) -------------------------------------------------------- */

#define ELF64_MAGIC "\177ELF\002"
#define ELF_PT_INTERP 3

struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, segments_at, sections_at;
    uint32_t flags;
    uint16_t header_size, segment_size, segment_count, section_size, section_count, names_index;
};
_Static_assert(sizeof(struct elf_header) == 64, "Elf64_Ehdr");
_Static_assert(offsetof(struct elf_header, segment_count) == 56, "Elf64_Ehdr.e_phnum");

struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, virtual_address, physical_address, file_size, memory_size, alignment;
};
_Static_assert(sizeof(struct elf_segment) == 56, "Elf64_Phdr");
_Static_assert(offsetof(struct elf_segment, file_size) == 32, "Elf64_Phdr.p_filesz");

#endif
