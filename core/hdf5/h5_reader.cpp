// SPDX-License-Identifier: Apache-2.0
#include "core/hdf5/h5_library.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <fstream>

namespace qs {

namespace fs = std::filesystem;

namespace {

/// A chunk is held in memory whole by the library.
constexpr uint64_t kMaxChunkBytes = uint64_t(1) << 26;
/// Deflate's best ratio is 1032 : 1.
constexpr uint64_t kMaxRatio = 1032;

/// Signature and version of the superblock. Versions 0 and 1 have no checksums; we never write them.
Result<void> checkSuperblock(const fs::path& path) {
    std::error_code ec;
    if (!fs::exists(path, ec)) return Error::notFound("the file does not exist", path.string());
    if (!fs::is_regular_file(path, ec)) return Error::invalid("not a regular file", path.string());
    std::ifstream in(path, std::ios::binary);
    if (!in) return Error::io("cannot open the file", path.string());
    char head[9] = {};
    in.read(head, sizeof head);
    static constexpr char kSignature[] = "\x89HDF\r\n\x1a\n";
    if (in.gcount() < 9 || std::memcmp(head, kSignature, 8) != 0)
        return Error::corrupt("not an HDF5 file: the signature is missing", path.string());
    const int version = static_cast<unsigned char>(head[8]);
    if (version != 2 && version != 3)
        return Error::unsupported(
            fmt::format("HDF5 superblock version {}; this program writes and reads 2 and 3", version),
            path.string());
    return {};
}

struct Names {
    std::vector<std::string> list;
    bool tooMany = false;
};

herr_t collectName(hid_t, const char* name, const H5L_info_t*, void* data) {
    Names& names = *static_cast<Names*>(data);
    if (names.list.size() >= kH5MaxChildren) {
        names.tooMany = true;
        return 1;
    }
    names.list.emplace_back(name);
    return 0;
}

struct ArrayInfo {
    H5Type type;
    H5Shape shape;
};

} // namespace

struct H5Reader::State {
    fs::path path;
    H5Handle file;

    std::string where(const std::string& object) const { return path.string() + ": " + object; }
    Error failure(const std::string& what, const std::string& object) const {
        return h5Failure(ErrorCode::Corrupt, what, path, object);
    }

    Result<H5Handle> openObject(const std::string& name) const {
        QS_CHECK(h5FollowHardLinks(file, path, name));
        H5Handle object(H5Oopen(file.get(), name.c_str(), H5P_DEFAULT), H5Oclose);
        if (!object) return failure("cannot open the object", name);
        return object;
    }

    Result<H5Handle> openArray(const std::string& name) const {
        QS_TRY(H5Handle object, openObject(name));
        if (H5Iget_type(object.get()) != H5I_DATASET) return Error::corrupt("not an array", where(name));
        QS_CHECK(checkStorage(object, name));
        return object;
    }

    Result<void> checkStorage(const H5Handle& dataset, const std::string& name) const {
        const H5Handle properties(H5Dget_create_plist(dataset.get()), H5Pclose);
        if (!properties) return failure("cannot read the array's layout", name);
        const H5D_layout_t layout = H5Pget_layout(properties.get());
        if (layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED && layout != H5D_COMPACT)
            return Error::corrupt("virtual storage is refused", where(name));
        if (layout == H5D_CONTIGUOUS && H5Pget_external_count(properties.get()) != 0)
            return Error::corrupt("external storage is refused", where(name));
        const int filters = H5Pget_nfilters(properties.get());
        for (int i = 0; i < filters; ++i) {
            unsigned flags = 0;
            size_t values = 0;
            const H5Z_filter_t id =
                H5Pget_filter2(properties.get(), unsigned(i), &flags, &values, nullptr, 0, nullptr, nullptr);
            if (id != H5Z_FILTER_DEFLATE && id != H5Z_FILTER_SHUFFLE && id != H5Z_FILTER_FLETCHER32)
                return Error::corrupt(fmt::format("filter {} is refused", int(id)), where(name));
        }
        if (layout != H5D_CHUNKED) return {};
        hsize_t chunk[H5S_MAX_RANK];
        const int rank = H5Pget_chunk(properties.get(), H5S_MAX_RANK, chunk);
        uint64_t bytes = 8;
        for (int i = 0; i < rank; ++i) {
            if (chunk[i] == 0 || bytes > kMaxChunkBytes / chunk[i])
                return Error::corrupt(fmt::format("a chunk exceeds {} bytes", kMaxChunkBytes), where(name));
            bytes *= chunk[i];
        }
        return {};
    }

    Result<ArrayInfo> describe(const H5Handle& dataset, const std::string& name) const {
        ArrayInfo info;
        const H5Handle space(H5Dget_space(dataset.get()), H5Sclose);
        const H5Handle type(H5Dget_type(dataset.get()), H5Tclose);
        if (!space || !type) return failure("cannot read the array's type and shape", name);
        const int rank = H5Sget_simple_extent_ndims(space.get());
        if (rank < 1 || rank > 4)
            return Error::corrupt(fmt::format("arrays have 1 to 4 dimensions, not {}", rank), where(name));
        info.shape.resize(size_t(rank));
        H5Sget_simple_extent_dims(space.get(), reinterpret_cast<hsize_t*>(info.shape.data()), nullptr);
        for (const H5Type t : {H5Type::F64, H5Type::F32, H5Type::F16, H5Type::I32, H5Type::U8, H5Type::U16})
            if (H5Tequal(type.get(), h5StoredType(t).get()) > 0) {
                info.type = t;
                return info;
            }
        return Error::corrupt("the type of the array's values is not one of ours", where(name));
    }

    /// The array opened, when it has the type and shape asked for.
    Result<H5Handle> openExpected(const std::string& name, H5Type type, const H5Shape& shape) const {
        QS_TRY(H5Handle dataset, openArray(name));
        QS_TRY(const ArrayInfo info, describe(dataset, name));
        if (info.type != type)
            return Error::corrupt(
                fmt::format("values are {}, expected {}", h5TypeName(info.type), h5TypeName(type)),
                where(name));
        if (info.shape != shape)
            return Error::corrupt(
                fmt::format("shape is {}, expected {}", h5ShapeText(info.shape), h5ShapeText(shape)),
                where(name));
        return dataset;
    }

    Result<H5Handle> openAttribute(const H5Handle& object, const std::string& owner,
                                   const std::string& name) const {
        const std::string place = where(owner) + ": attribute " + name;
        const htri_t there = H5Aexists(object.get(), name.c_str());
        if (there < 0) return failure("cannot look up the attribute", owner + ": " + name);
        if (there == 0) return Error::notFound("the attribute is missing", place);
        H5Handle a(H5Aopen(object.get(), name.c_str(), H5P_DEFAULT), H5Aclose);
        if (!a) return failure("cannot open the attribute", owner + ": " + name);
        const H5Handle space(H5Aget_space(a.get()), H5Sclose);
        if (!space || H5Sget_simple_extent_type(space.get()) != H5S_SCALAR)
            return Error::corrupt("the attribute is not a single value", place);
        return a;
    }
};

H5Reader::H5Reader(std::unique_ptr<State> state) : state_(std::move(state)) {}

H5Reader::~H5Reader() {
    const H5Session session;
    state_->file.close();
}

Result<std::unique_ptr<H5Reader>> H5Reader::open(const fs::path& path) {
    QS_CHECK(checkSuperblock(path));
    auto state = std::make_unique<State>();
    state->path = path;
    const H5Session session;
    const H5Handle access = h5FileAccess();
    state->file = H5Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose);
    if (!state->file) return h5Failure(ErrorCode::Corrupt, "cannot open the HDF5 file", path);
    return std::unique_ptr<H5Reader>(new H5Reader(std::move(state)));
}

const fs::path& H5Reader::path() const {
    return state_->path;
}

bool H5Reader::exists(const std::string& name) const {
    const H5Session session;
    return h5FollowHardLinks(state_->file, state_->path, name).has_value();
}

Result<std::vector<std::string>> H5Reader::children(const std::string& group) const {
    const H5Session session;
    QS_TRY(const H5Handle object, state_->openObject(group));
    if (H5Iget_type(object.get()) != H5I_GROUP) return Error::corrupt("not a group", state_->where(group));
    Names names;
    hsize_t index = 0;
    if (H5Literate(object.get(), H5_INDEX_NAME, H5_ITER_NATIVE, &index, collectName, &names) < 0)
        return state_->failure("cannot list the group", group);
    if (names.tooMany)
        return Error::corrupt(fmt::format("a group holds more than {} objects", kH5MaxChildren),
                              state_->where(group));
    std::sort(names.list.begin(), names.list.end());
    return std::move(names.list);
}

Result<H5Shape> H5Reader::shape(const std::string& name) const {
    const H5Session session;
    QS_TRY(const H5Handle dataset, state_->openArray(name));
    QS_TRY(ArrayInfo info, state_->describe(dataset, name));
    return std::move(info.shape);
}

Result<H5Type> H5Reader::type(const std::string& name) const {
    const H5Session session;
    QS_TRY(const H5Handle dataset, state_->openArray(name));
    QS_TRY(const ArrayInfo info, state_->describe(dataset, name));
    return info.type;
}

Result<uint64_t> H5Reader::checkArray(const std::string& name, H5Type type, const H5Shape& shape) const {
    auto count = h5CountOf(shape, type);
    if (!count) return count.takeError().at(state_->where(name));
    const H5Session session;
    QS_TRY(const H5Handle dataset, state_->openExpected(name, type, shape));
    // What is not in the file would be filled with zeros, and memory taken for it.
    const uint64_t bytes = *count * h5TypeSize(type), stored = H5Dget_storage_size(dataset.get());
    if (stored < bytes / kMaxRatio || (bytes > 0 && stored == 0))
        return Error::corrupt(fmt::format("{} stored bytes cannot hold shape {}", stored, h5ShapeText(shape)),
                              state_->where(name));
    return *count;
}

Result<void> H5Reader::readArray(const std::string& name, H5Type type, const H5Shape& shape,
                                 void* values) const {
    const H5Session session;
    QS_TRY(const H5Handle dataset, state_->openExpected(name, type, shape));
    if (std::find(shape.begin(), shape.end(), 0u) != shape.end()) return {};
    const H5Handle memory = h5StoredType(type);
    if (H5Dread(dataset.get(), memory.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        return state_->failure("cannot read the array", name);
    return {};
}

Error H5Reader::outOfMemory(const std::string& name, uint64_t bytes) const {
    return {ErrorCode::OutOfMemory, fmt::format("no memory for {} bytes", bytes), state_->where(name)};
}

Result<std::string> H5Reader::text(const std::string& name) const {
    QS_TRY(const H5Shape s, shape(name));
    if (s.size() != 1 || s[0] > kH5MaxText)
        return Error::corrupt(
            fmt::format("a text is one row of at most {} bytes, not {}", kH5MaxText, h5ShapeText(s)),
            state_->where(name));
    QS_TRY(const std::vector<uint8_t> bytes, array<uint8_t>(name, s));
    return std::string(bytes.begin(), bytes.end());
}

bool H5Reader::hasAttribute(const std::string& object, const std::string& name) const {
    const H5Session session;
    const auto owner = state_->openObject(object);
    return owner && H5Aexists(owner->get(), name.c_str()) > 0;
}

Result<std::string> H5Reader::stringAttribute(const std::string& object, const std::string& name) const {
    const H5Session session;
    QS_TRY(const H5Handle owner, state_->openObject(object));
    QS_TRY(const H5Handle a, state_->openAttribute(owner, object, name));
    const H5Handle type(H5Aget_type(a.get()), H5Tclose);
    const size_t size = type ? H5Tget_size(type.get()) : 0;
    if (!type || H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) != 0 || size == 0 ||
        size > kH5MaxAttribute + 1)
        return Error::corrupt(fmt::format("the attribute '{}' is not a text of fixed length", name),
                              state_->where(object));
    std::string value(size, '\0');
    if (H5Aread(a.get(), type.get(), value.data()) < 0)
        return state_->failure(fmt::format("cannot read the attribute '{}'", name), object);
    value.resize(std::min(value.find('\0'), value.size()));
    return value;
}

Result<int64_t> H5Reader::intAttribute(const std::string& object, const std::string& name, int64_t minimum,
                                       int64_t maximum) const {
    const H5Session session;
    QS_TRY(const H5Handle owner, state_->openObject(object));
    QS_TRY(const H5Handle a, state_->openAttribute(owner, object, name));
    const H5Handle type(H5Aget_type(a.get()), H5Tclose);
    if (!type || H5Tequal(type.get(), H5T_STD_I64LE) <= 0)
        return Error::corrupt(fmt::format("the attribute '{}' is not an int64", name), state_->where(object));
    int64_t value = 0;
    if (H5Aread(a.get(), type.get(), &value) < 0)
        return state_->failure(fmt::format("cannot read the attribute '{}'", name), object);
    if (value < minimum || value > maximum)
        return Error::corrupt(
            fmt::format("the attribute '{}' is {}, expected {} .. {}", name, value, minimum, maximum),
            state_->where(object));
    return value;
}

} // namespace qs
