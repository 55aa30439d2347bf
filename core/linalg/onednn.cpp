// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/onednn.h"

#include <algorithm>
#include <array>
#include <dlfcn.h>
#include <fmt/format.h>

#if defined(QS_HAVE_ONEDNN)
#include <oneapi/dnnl/dnnl.h>
#include <oneapi/dnnl/dnnl_version.h>
#endif

namespace qs::linalg {

namespace {

constexpr const char* kLibrary = "libdnnl.so.2";

Error unusable(const std::string& rule, const std::string& library) {
    return {ErrorCode::Backend, rule, library};
}

/// Instructions that multiply bfloat16. Without them oneDNN converts, slower than a float32 product.
bool processorMultipliesBf16() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

} // namespace

#if defined(QS_HAVE_ONEDNN) && DNNL_VERSION_MAJOR == 2

namespace {

struct EntryPoints {
    decltype(&dnnl_version) version;
    decltype(&dnnl_engine_create) engineCreate;
    decltype(&dnnl_engine_destroy) engineDestroy;
    decltype(&dnnl_stream_create) streamCreate;
    decltype(&dnnl_stream_wait) streamWait;
    decltype(&dnnl_stream_destroy) streamDestroy;
    decltype(&dnnl_memory_desc_init_by_strides) memoryDesc;
    decltype(&dnnl_memory_create) memoryCreate;
    decltype(&dnnl_memory_destroy) memoryDestroy;
    decltype(&dnnl_matmul_desc_init) matmulDesc;
    decltype(&dnnl_primitive_desc_create) primitiveDescCreate;
    decltype(&dnnl_primitive_desc_destroy) primitiveDescDestroy;
    decltype(&dnnl_primitive_create) primitiveCreate;
    decltype(&dnnl_primitive_destroy) primitiveDestroy;
    decltype(&dnnl_primitive_execute) execute;
    /// Debian's build runs on OpenMP, whose threads spin; the number is a setting of each calling thread.
    void (*setThreadsOfCaller)(int) = nullptr;
};

template<class F>
Result<void> resolve(void* handle, const char* name, const std::string& library, F& function) {
    function = reinterpret_cast<F>(::dlsym(handle, name));
    if (!function) return unusable(fmt::format("the entry point {} is missing", name), library);
    return {};
}

Result<EntryPoints> entryPoints(void* handle, const std::string& library) {
    EntryPoints e{};
    QS_CHECK(resolve(handle, "dnnl_version", library, e.version));
    QS_CHECK(resolve(handle, "dnnl_engine_create", library, e.engineCreate));
    QS_CHECK(resolve(handle, "dnnl_engine_destroy", library, e.engineDestroy));
    QS_CHECK(resolve(handle, "dnnl_stream_create", library, e.streamCreate));
    QS_CHECK(resolve(handle, "dnnl_stream_wait", library, e.streamWait));
    QS_CHECK(resolve(handle, "dnnl_stream_destroy", library, e.streamDestroy));
    QS_CHECK(resolve(handle, "dnnl_memory_desc_init_by_strides", library, e.memoryDesc));
    QS_CHECK(resolve(handle, "dnnl_memory_create", library, e.memoryCreate));
    QS_CHECK(resolve(handle, "dnnl_memory_destroy", library, e.memoryDestroy));
    QS_CHECK(resolve(handle, "dnnl_matmul_desc_init", library, e.matmulDesc));
    QS_CHECK(resolve(handle, "dnnl_primitive_desc_create", library, e.primitiveDescCreate));
    QS_CHECK(resolve(handle, "dnnl_primitive_desc_destroy", library, e.primitiveDescDestroy));
    QS_CHECK(resolve(handle, "dnnl_primitive_create", library, e.primitiveCreate));
    QS_CHECK(resolve(handle, "dnnl_primitive_destroy", library, e.primitiveDestroy));
    QS_CHECK(resolve(handle, "dnnl_primitive_execute", library, e.execute));
    // Found through the library's own dependencies; a build without OpenMP has none.
    e.setThreadsOfCaller = reinterpret_cast<void (*)(int)>(::dlsym(handle, "omp_set_num_threads"));
    return e;
}

/// What oneDNN's C functions hand out, destroyed in reverse order.
template<class T>
struct Handle {
    explicit Handle(dnnl_status_t (*d)(T)) : destroy(d) {}
    Handle(const Handle&) = delete;
    ~Handle() {
        if (value) destroy(value);
    }
    dnnl_status_t (*destroy)(T);
    T value = nullptr;
};

Result<void> ok(dnnl_status_t status, const char* what) {
    if (status == dnnl_success) return {};
    return Error{ErrorCode::Backend, fmt::format("oneDNN cannot {} (status {})", what, int(status)), {}};
}

class Library final : public OneDnn {
public:
    Library(EntryPoints api, dnnl_engine_t engine) : api_(api), engine_(engine) {}
    ~Library() override { api_.engineDestroy(engine_); }

    std::string version() const override {
        const dnnl_version_t* v = api_.version();
        return fmt::format("{}.{}.{}", v->major, v->minor, v->patch);
    }

    // The description of a product is rebuilt for each; oneDNN keeps the machine code of those it has seen.
    Result<void> multiply(const Bf16Product& p) const override {
        if (api_.setThreadsOfCaller) api_.setThreadsOfCaller(1);
        dnnl_memory_desc_t a{}, b{}, c{};
        QS_CHECK(describe(a, p.m, p.k, dnnl_bf16, p.aRow, p.aCol));
        QS_CHECK(describe(b, p.k, p.n, dnnl_bf16, p.bRow, p.bCol));
        QS_CHECK(describe(c, p.m, p.n, dnnl_f32, p.cRow, 1));
        dnnl_matmul_desc_t product{};
        QS_CHECK(ok(api_.matmulDesc(&product, &a, &b, nullptr, &c), "describe a product"));
        Handle<dnnl_primitive_desc_t> description(api_.primitiveDescDestroy);
        QS_CHECK(
            ok(api_.primitiveDescCreate(&description.value, &product, nullptr, engine_, nullptr), "prepare"));
        Handle<dnnl_primitive_t> primitive(api_.primitiveDestroy);
        QS_CHECK(ok(api_.primitiveCreate(&primitive.value, description.value), "compile a product"));
        Handle<dnnl_memory_t> from(api_.memoryDestroy), with(api_.memoryDestroy), to(api_.memoryDestroy);
        QS_CHECK(ok(api_.memoryCreate(&from.value, &a, engine_, const_cast<uint16_t*>(p.a)), "take a"));
        QS_CHECK(ok(api_.memoryCreate(&with.value, &b, engine_, const_cast<uint16_t*>(p.b)), "take b"));
        QS_CHECK(ok(api_.memoryCreate(&to.value, &c, engine_, p.c), "take c"));
        Handle<dnnl_stream_t> stream(api_.streamDestroy);
        QS_CHECK(ok(api_.streamCreate(&stream.value, engine_, dnnl_stream_default_flags), "make a stream"));
        const std::array<dnnl_exec_arg_t, 3> args = {
            {{DNNL_ARG_SRC, from.value}, {DNNL_ARG_WEIGHTS, with.value}, {DNNL_ARG_DST, to.value}}};
        QS_CHECK(ok(api_.execute(primitive.value, stream.value, int(args.size()), args.data()), "multiply"));
        return ok(api_.streamWait(stream.value), "multiply");
    }

private:
    Result<void> describe(dnnl_memory_desc_t& d, size_t rows, size_t cols, dnnl_data_type_t type,
                          size_t rowStride, size_t colStride) const {
        const dnnl_dim_t dims[] = {dnnl_dim_t(rows), dnnl_dim_t(cols)},
                         strides[] = {dnnl_dim_t(rowStride), dnnl_dim_t(colStride)};
        return ok(api_.memoryDesc(&d, 2, dims, type, strides), "describe a matrix");
    }

    EntryPoints api_;
    dnnl_engine_t engine_;
};

/// One product by hand.
Result<void> checkValues(const OneDnn& library, const std::string& name) {
    const auto bf16 = [](int value) { // small integers are exact
        const float f = float(value);
        uint32_t bits;
        static_assert(sizeof bits == sizeof f);
        std::copy_n(reinterpret_cast<const char*>(&f), sizeof f, reinterpret_cast<char*>(&bits));
        return uint16_t(bits >> 16);
    };
    const std::array<uint16_t, 6> a = {bf16(1), bf16(2), bf16(3), bf16(4), bf16(5), bf16(6)},
                                  w = {bf16(1), bf16(0), bf16(2), bf16(-1), bf16(3), bf16(1)};
    std::array<float, 4> c{};
    QS_CHECK(library.multiply({2, 2, 3, a.data(), 3, 1, w.data(), 1, 3, c.data(), 2}));
    if (c == std::array<float, 4>{7, 8, 16, 17}) return {};
    return unusable(
        fmt::format("a product gives {}, {}, {}, {} where 7, 8, 16, 17 is right", c[0], c[1], c[2], c[3]),
        name);
}

} // namespace

Result<std::unique_ptr<OneDnn>> loadOneDnn(const std::string& library) {
    void* handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char* text = ::dlerror();
        return unusable(fmt::format("cannot be loaded: {}", text ? text : "unknown reason"), library);
    }
    QS_TRY(const EntryPoints api, entryPoints(handle, library));
    if (api.version()->major != DNNL_VERSION_MAJOR)
        return unusable(fmt::format("has major version {}, this program was built for {}",
                                    api.version()->major, DNNL_VERSION_MAJOR),
                        library);
    dnnl_engine_t engine = nullptr;
    QS_CHECK(ok(api.engineCreate(&engine, dnnl_cpu, 0), "find the processor"));
    std::unique_ptr<OneDnn> loaded = std::make_unique<Library>(api, engine);
    QS_CHECK(checkValues(*loaded, library));
    return loaded;
}

#else

Result<std::unique_ptr<OneDnn>> loadOneDnn(const std::string& library) {
    return unusable("this build was made without the headers of oneDNN 2", library);
}

#endif

namespace {

struct Loaded {
    std::unique_ptr<OneDnn> library;
    std::string problem;
};

const Loaded& loaded() {
    static const Loaded state = [] {
        Loaded l;
        if (!processorMultipliesBf16()) {
            l.problem = "the processor has no instructions for bfloat16 products";
            return l;
        }
        auto library = loadOneDnn(kLibrary);
        if (library)
            l.library = std::move(*library);
        else
            l.problem = library.error().describe();
        return l;
    }();
    return state;
}

} // namespace

const OneDnn* oneDnn() {
    return loaded().library.get();
}

const std::string& oneDnnProblem() {
    return loaded().problem;
}

} // namespace qs::linalg
