// SPDX-License-Identifier: Apache-2.0
#include "core/base/file.h"
#include "core/base/temporary.h"
#include "core/hdf5/h5_library.h"

#include <cstring>
#include <fmt/format.h>
#include <unistd.h>

namespace qs {

namespace fs = std::filesystem;

namespace {

/// Bytes per chunk: large enough to compress, small enough for the library's cache of 1 MiB.
constexpr uint64_t kChunkBytes = uint64_t(1) << 19;
constexpr unsigned kDeflateLevel = 1;

/// Whole trailing dimensions as long as they fit.
H5Shape chunkShape(const H5Shape& shape, size_t elementSize) {
    H5Shape chunk = shape;
    uint64_t room = kChunkBytes / elementSize;
    for (size_t i = shape.size(); i-- > 0;) {
        chunk[i] = std::clamp<uint64_t>(room, 1, shape[i]);
        room /= chunk[i];
    }
    return chunk;
}

H5Handle creationList(hid_t list) {
    H5Handle properties(H5Pcreate(list), H5Pclose);
    H5Pset_obj_track_times(properties.get(), false);
    return properties;
}

} // namespace

struct H5Writer::State {
    fs::path path;
    Temporary temporary; ///< held until the file is in place
    H5Handle file;
    bool committed = false, failed = false;

    Error failure(const std::string& what, const std::string& object) {
        failed = true;
        return h5Failure(ErrorCode::Io, what, path, object);
    }

    Result<void> makeGroup(const std::string& name) {
        std::string prefix;
        for (const std::string& part : h5PathParts(name)) {
            prefix += "/" + part;
            const htri_t there = H5Lexists(file.get(), prefix.c_str(), H5P_DEFAULT);
            if (there < 0) return failure("cannot look for a group", prefix);
            if (there > 0) continue;
            const H5Handle properties = creationList(H5P_GROUP_CREATE);
            const H5Handle g(
                H5Gcreate2(file.get(), prefix.c_str(), H5P_DEFAULT, properties.get(), H5P_DEFAULT), H5Gclose);
            if (!g) return failure("cannot create the group", prefix);
        }
        return {};
    }

    Result<void> makeParent(const std::string& name) {
        const size_t slash = name.rfind('/');
        return slash == std::string::npos ? Result<void>() : makeGroup(name.substr(0, slash));
    }

    Result<void> writeAttribute(const std::string& object, const std::string& name, hid_t type,
                                const void* value) {
        const H5Handle owner(H5Oopen(file.get(), object.c_str(), H5P_DEFAULT), H5Oclose);
        if (!owner) return failure("cannot open the object for an attribute", object);
        const H5Handle space(H5Screate(H5S_SCALAR), H5Sclose);
        const H5Handle a(H5Acreate2(owner.get(), name.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT),
                         H5Aclose);
        if (!a || H5Awrite(a.get(), type, value) < 0)
            return failure(fmt::format("cannot write the attribute '{}'", name), object);
        return {};
    }
};

H5Writer::H5Writer(std::unique_ptr<State> state) : state_(std::move(state)) {}

H5Writer::~H5Writer() {
    if (state_->committed) return;
    const H5Session session;
    state_->file.close();
    ::unlink(state_->temporary.path().c_str());
}

Result<std::unique_ptr<H5Writer>> H5Writer::begin(const fs::path& path) {
    std::error_code ec;
    const fs::path folder = path.parent_path();
    if (!folder.empty() && !fs::is_directory(folder, ec))
        return Error::notFound("the folder of the file to write does not exist", path.string());
    auto state = std::make_unique<State>();
    state->path = path;
    sweepTemporaries(path); // of a writer that was killed
    QS_TRY(state->temporary, Temporary::file(path));
    const H5Session session;
    const H5Handle access = h5FileAccess();
    // Closing fails when an object of the file is still open: a bug of ours should show.
    H5Pset_fclose_degree(access.get(), H5F_CLOSE_SEMI);
    const H5Handle creation = creationList(H5P_FILE_CREATE);
    state->file = H5Handle(
        H5Fcreate(state->temporary.path().c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose);
    if (!state->file) {
        Error failure = h5Failure(ErrorCode::Io, "cannot create the file", path);
        ::unlink(state->temporary.path().c_str());
        return failure;
    }
    return std::unique_ptr<H5Writer>(new H5Writer(std::move(state)));
}

Result<void> H5Writer::group(const std::string& name) {
    const H5Session session;
    return state_->makeGroup(name);
}

Result<void> H5Writer::writeArray(const std::string& name, H5Type type, const void* values, uint64_t count,
                                  const H5Shape& shape, H5Filter filter) {
    const std::string where = state_->path.string() + ": " + name;
    auto expected = h5CountOf(shape, type);
    if (!expected) return expected.takeError().at(where);
    if (*expected != count)
        return Error::invalid(fmt::format("{} values do not fill shape {}", count, h5ShapeText(shape)),
                              where);
    const H5Session session;
    QS_CHECK(state_->makeParent(name));
    const H5Handle stored = h5StoredType(type);
    const H5Handle space(
        H5Screate_simple(int(shape.size()), reinterpret_cast<const hsize_t*>(shape.data()), nullptr),
        H5Sclose);
    const H5Handle properties = creationList(H5P_DATASET_CREATE);
    if (count > 0) {
        const H5Shape chunk = chunkShape(shape, h5TypeSize(type));
        H5Pset_chunk(properties.get(), int(chunk.size()), reinterpret_cast<const hsize_t*>(chunk.data()));
        if (filter == H5Filter::Compress) {
            H5Pset_shuffle(properties.get());
            H5Pset_deflate(properties.get(), kDeflateLevel);
        }
        H5Pset_fletcher32(properties.get());
    }
    const H5Handle dataset(H5Dcreate2(state_->file.get(), name.c_str(), stored.get(), space.get(),
                                      H5P_DEFAULT, properties.get(), H5P_DEFAULT),
                           H5Dclose);
    if (!dataset) return state_->failure("cannot create the array", name);
    if (count > 0 && H5Dwrite(dataset.get(), stored.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        return state_->failure("cannot write the array", name);
    return {};
}

Result<void> H5Writer::reserve(const std::string& name, H5Type type, const H5Shape& shape) {
    if (auto count = h5CountOf(shape, type); !count)
        return count.takeError().at(state_->path.string() + ": " + name);
    const H5Session session;
    QS_CHECK(state_->makeParent(name));
    const H5Handle stored = h5StoredType(type);
    const H5Handle space(
        H5Screate_simple(int(shape.size()), reinterpret_cast<const hsize_t*>(shape.data()), nullptr),
        H5Sclose);
    const H5Handle properties = creationList(H5P_DATASET_CREATE);
    H5Pset_layout(properties.get(), H5D_CONTIGUOUS);
    H5Pset_alloc_time(properties.get(), H5D_ALLOC_TIME_EARLY);
    H5Pset_fill_time(properties.get(), H5D_FILL_TIME_NEVER);
    const H5Handle dataset(H5Dcreate2(state_->file.get(), name.c_str(), stored.get(), space.get(),
                                      H5P_DEFAULT, properties.get(), H5P_DEFAULT),
                           H5Dclose);
    if (!dataset) return state_->failure("cannot create the array", name);
    return {};
}

Result<void> H5Writer::fill(const std::string& name, H5Type type, std::span<const std::byte> values) {
    const H5Session session;
    const H5Handle dataset(H5Dopen2(state_->file.get(), name.c_str(), H5P_DEFAULT), H5Dclose);
    if (!dataset) return state_->failure("cannot open the array", name);
    const H5Handle space(H5Dget_space(dataset.get()), H5Sclose);
    const hssize_t count = H5Sget_simple_extent_npoints(space.get());
    if (count < 0 || uint64_t(count) * h5TypeSize(type) != values.size())
        return Error::invalid(
            fmt::format("{} bytes for {} values of {}", values.size(), count, h5TypeName(type)),
            state_->path.string() + ": " + name);
    const H5Handle stored = h5StoredType(type);
    if (count > 0 && H5Dwrite(dataset.get(), stored.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0)
        return state_->failure("cannot write the array", name);
    return {};
}

Result<void> H5Writer::text(const std::string& name, const std::string& text) {
    if (text.size() > kH5MaxText)
        return Error::invalid(fmt::format("a text has at most {} bytes, not {}", kH5MaxText, text.size()),
                              state_->path.string() + ": " + name);
    return writeArray(name, H5Type::U8, text.data(), text.size(), {text.size()}, H5Filter::Compress);
}

Result<void> H5Writer::attribute(const std::string& object, const std::string& name,
                                 const std::string& value) {
    const std::string where = fmt::format("{}: {}: {}", state_->path.string(), object, name);
    if (value.size() > kH5MaxAttribute)
        return Error::invalid(
            fmt::format("an attribute has at most {} bytes, not {}", kH5MaxAttribute, value.size()), where);
    if (value.find('\0') != std::string::npos) return Error::invalid("an attribute cannot hold NUL", where);
    const H5Session session;
    const H5Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
    H5Tset_size(type.get(), value.size() + 1);
    H5Tset_strpad(type.get(), H5T_STR_NULLTERM);
    H5Tset_cset(type.get(), H5T_CSET_UTF8);
    return state_->writeAttribute(object, name, type.get(), value.c_str());
}

Result<void> H5Writer::attribute(const std::string& object, const std::string& name, int64_t value) {
    const H5Session session;
    return state_->writeAttribute(object, name, H5T_STD_I64LE, &value);
}

Result<void> H5Writer::attributes(const std::string& object, const std::vector<H5Attribute>& list) {
    for (const H5Attribute& a : list)
        QS_CHECK(std::visit([&](const auto& value) { return attribute(object, a.name, value); }, a.value));
    return {};
}

Result<void> H5Writer::close() {
    if (state_->failed || state_->committed)
        return Error::internal(state_->committed ? "committed twice" : "committed after a failed write",
                               state_->path.string());
    const H5Session session;
    if (H5Fflush(state_->file.get(), H5F_SCOPE_GLOBAL) < 0)
        return state_->failure("cannot flush the file", {});
    if (state_->file.close() < 0) return state_->failure("cannot close the file", {});
    return {};
}

Result<uint64_t> H5Writer::measure() {
    QS_CHECK(close());
    std::error_code ec;
    const uint64_t bytes = fs::file_size(state_->temporary.path(), ec);
    if (ec) return Error::io("cannot read the size: " + ec.message(), state_->temporary.path().string());
    return bytes;
}

Result<void> H5Writer::commit() {
    QS_CHECK(close());
    QS_CHECK(commitByRename(state_->path, [&](const fs::path& sibling) -> Result<void> {
        std::error_code ec;
        fs::rename(state_->temporary.path(), sibling, ec);
        if (ec)
            return Error::io("cannot rename the file: " + ec.message(), state_->temporary.path().string());
        return {};
    }));
    state_->committed = true;
    return {};
}

} // namespace qs
