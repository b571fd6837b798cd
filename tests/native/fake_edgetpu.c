/*
 * A delegate that stands in for libedgetpu: it claims the `edgetpu-custom-op` nodes of real *_edgetpu.tflite files and
 * makes up their outputs, so that everything around an Edge TPU can be tested without one.
 *
 *     gcc -O1 -shared -fPIC -o libfake_edgetpu.so fake_edgetpu.c        (64-bit Linux)
 *
 * The option `device` is what libedgetpu understands: "", "usb", "pci", ":N", "usb:N", "pci:N".
 * Environment:
 *     FAKE_EDGETPU_COUNT       how many devices are there (default 1); one beyond that is refused without a reason,
 *                              as libedgetpu does
 *     FAKE_EDGETPU_US          how long an inference takes, microseconds (default: no longer than it needs)
 *     FAKE_EDGETPU_CLAIM       "all": claim every node, not those of edgetpu_compiler only
 *     FAKE_EDGETPU_FAULT       path of a file. What stands in it happens, and the file is removed: once for each file.
 *                                  in an inference: hang abort segfault exit error lie
 *                                  at the start:    start-hang start-abort start-segfault refuse
 *     FAKE_EDGETPU_GONE        path of a file; while it is there the device is unplugged
 *
 * Outputs are zero but for one byte of 255, at (sum of all input bytes) modulo the output's size.
 *
 * Layouts: tensorflow/lite/core/c/common.h and tensorflow/lite/delegates/external/external_delegate_interface.h.
 */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum { STATUS_OK = 0, STATUS_ERROR = 1 };

/* kTfLiteDelegateFlagsAllowDynamicTensors: without it the runtime prepares the unknown op itself, and fails. */
enum { ALLOW_DYNAMIC_TENSORS = 1 };

typedef int Status;

typedef struct {
    int size;
    int data[];
} IntArray;

typedef struct {
    int type;
    void *data;
    IntArray *dims;
    float scale;
    int zero_point;
    int allocation_type;
    size_t bytes;
    const void *allocation;
    const char *name;
    void *delegate;
    int buffer_handle;
    bool data_is_stale;
    bool is_variable;
    int quantization_type;
    void *quantization_params;
    void *sparsity;
    const IntArray *dims_signature;
} Tensor;

typedef struct {
    IntArray *inputs;
    IntArray *outputs;
    IntArray *intermediates;
    IntArray *temporaries;
    void *user_data;
    void *builtin_data;
} Node;

typedef struct Context Context;
typedef struct Delegate Delegate;

typedef struct {
    void *(*init)(Context *, const char *buffer, size_t length);
    void (*free)(Context *, void *user_data);
    Status (*prepare)(Context *, Node *);
    Status (*invoke)(Context *, Node *);
    const char *(*profiling_string)(const Context *, const Node *);
    int32_t builtin_code;
    const char *custom_name;
    int version;
    void *external;
    void *async_kernel;
    uint64_t inplace_operator;
} Registration;

struct Context {
    size_t tensors_size;
    Status (*get_execution_plan)(Context *, IntArray **);
    Tensor *tensors;
    void *impl;
    void *resize_tensor;
    void (*report_error)(Context *, const char *, ...);
    void *add_tensors;
    Status (*get_node_and_registration)(Context *, int, Node **, Registration **);
    Status (*replace_nodes)(Context *, Registration, const IntArray *, Delegate *);
};

struct Delegate {
    void *data;
    Status (*prepare)(Context *, Delegate *);
    void *copy_from_buffer;
    void *copy_to_buffer;
    void *free_buffer;
    int64_t flags;
    void *opaque;
};

typedef struct {
    Delegate *delegate;
    IntArray *nodes;
    IntArray *inputs;
    IntArray *outputs;
} DelegateParams;

static long number_from(const char *variable, long otherwise) {
    const char *text = getenv(variable);
    return text ? atol(text) : otherwise;
}

/* Takes the fault that is due, if it begins so; the next caller finds none. */
static bool fault_is(const char *name) {
    const char *path = getenv("FAKE_EDGETPU_FAULT");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) return false;
    char due[32] = "";
    const bool read = fscanf(file, "%31s", due) == 1;
    fclose(file);
    return read && strcmp(due, name) == 0 && unlink(path) == 0;
}

static bool is_gone(void) {
    const char *path = getenv("FAKE_EDGETPU_GONE");
    return path && access(path, F_OK) == 0;
}

static void hang(void) {
    for (;;) pause();
}

/* For a delegate's kernel the runtime passes DelegateParams as `buffer`; what is returned becomes user_data. */
static void *kernel_init(Context *context, const char *buffer, size_t length) {
    (void)context, (void)length;
    return ((const DelegateParams *)buffer)->delegate;
}

static void kernel_free(Context *context, void *user_data) { (void)context, (void)user_data; }

static Status kernel_prepare(Context *context, Node *node) {
    (void)context, (void)node;
    return STATUS_OK;
}

static Status kernel_invoke(Context *context, Node *node) {
    if (fault_is("hang")) hang();
    if (fault_is("abort")) {
        fprintf(stderr, "F driver/usb/usb_driver.cc:1148] HandleQueuedBulkIn transfer in failed\n");
        abort();
    }
    if (fault_is("segfault")) raise(SIGSEGV);
    if (fault_is("exit")) _exit(3);
    if (is_gone() || fault_is("error")) {
        context->report_error(context, "fake edgetpu: USB transfer error 1 [LibUsbDataIn]");
        return STATUS_ERROR;
    }
    const long us = number_from("FAKE_EDGETPU_US", 0);
    if (us > 0) usleep((useconds_t)us);

    const Tensor *input = &context->tensors[node->inputs->data[0]];
    uint64_t sum = 0;
    for (size_t i = 0; i < input->bytes; i++) sum += ((const uint8_t *)input->data)[i];
    if (sum > 0 && fault_is("lie")) sum++; /* not about the zeros of a warm-up, which nobody looks at */

    for (int i = 0; i < node->outputs->size; i++) {
        Tensor *output = &context->tensors[node->outputs->data[i]];
        memset(output->data, 0, output->bytes);
        if (output->bytes) ((uint8_t *)output->data)[sum % output->bytes] = 255;
    }
    return STATUS_OK;
}

static bool is_for_edgetpu(const Registration *registration) {
    const char *claim = getenv("FAKE_EDGETPU_CLAIM");
    if (claim && strcmp(claim, "all") == 0) return true;
    return registration->custom_name && strcmp(registration->custom_name, "edgetpu-custom-op") == 0;
}

/* Claims every node that edgetpu_compiler made, or all. */
static Status delegate_prepare(Context *context, Delegate *delegate) {
    IntArray *plan;
    if (context->get_execution_plan(context, &plan) != STATUS_OK) return STATUS_ERROR;

    const size_t size = sizeof(IntArray) + sizeof(int) * (size_t)plan->size;
    IntArray *all = malloc(size); /* the plan may change under us */
    IntArray *claimed = malloc(size);
    memcpy(all, plan, size);
    claimed->size = 0;

    Status status = STATUS_OK;
    for (int i = 0; i < all->size && status == STATUS_OK; i++) {
        Node *node;
        Registration *registration;
        status = context->get_node_and_registration(context, all->data[i], &node, &registration);
        if (status == STATUS_OK && is_for_edgetpu(registration)) claimed->data[claimed->size++] = all->data[i];
    }
    if (status == STATUS_OK && claimed->size > 0) {
        const Registration kernel = {
            .init = kernel_init,
            .free = kernel_free,
            .prepare = kernel_prepare,
            .invoke = kernel_invoke,
            .custom_name = "EdgeTpuDelegateForCustomOp",
            .version = 1,
        };
        status = context->replace_nodes(context, kernel, claimed, delegate);
    }
    free(claimed);
    free(all);
    return status;
}

/* The N of "usb:N", 0 where there is none, -1 for a device that libedgetpu does not know. */
static long device_number(const char *device) {
    const char *colon = strchr(device, ':');
    const size_t kind = colon ? (size_t)(colon - device) : strlen(device);
    const bool known = kind == 0 || (kind == 3 && (!strncmp(device, "usb", 3) || !strncmp(device, "pci", 3)));
    if (!known) return -1;
    return colon ? atol(colon + 1) : 0;
}

EXPORT Delegate *tflite_plugin_create_delegate(
    const char *const *keys, const char *const *values, size_t count, void (*report_error)(const char *)) {
    long number = 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keys[i], "device") != 0) {
            report_error("fake edgetpu: unknown option");
            return NULL;
        }
        number = device_number(values[i]);
    }
    if (fault_is("start-hang")) hang();
    if (fault_is("start-abort")) abort();
    if (fault_is("start-segfault")) raise(SIGSEGV);
    if (is_gone() || fault_is("refuse")) return NULL;
    if (number < 0 || number >= number_from("FAKE_EDGETPU_COUNT", 1)) return NULL;

    Delegate *delegate = calloc(1, sizeof *delegate);
    delegate->prepare = delegate_prepare;
    delegate->flags = ALLOW_DYNAMIC_TENSORS;
    return delegate;
}

EXPORT void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }
