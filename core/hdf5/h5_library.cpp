// SPDX-License-Identifier: Apache-2.0
#include "core/hdf5/h5_library.h"

#include <cstdlib>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace qs {

namespace {

std::mutex& libraryMutex() {
    static std::mutex mutex;
    return mutex;
}

herr_t keepFirst(unsigned n, const H5E_error2_t* record, void* text) {
    if (n == 0 && record->desc) static_cast<std::string*>(text)->assign(record->desc);
    return 0;
}

} // namespace

H5Session::H5Session() : lock_(libraryMutex()) {
    static const bool prepared = [] {
        // Every file is closed by its owner. The library's own clean-up at exit, after it has met a damaged
        // file, complains on the error stream.
        H5dont_atexit();
        H5open();
        // A filter plugin is a shared library that a file could ask for.
        H5PLset_loading_state(0);
        return true;
    }();
    (void)prepared;
    H5Eget_auto2(H5E_DEFAULT, &print_, &printData_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

H5Session::~H5Session() {
    H5Eclear2(H5E_DEFAULT);
    H5Eset_auto2(H5E_DEFAULT, print_, printData_);
}

std::string h5LastFailure() {
    std::string text;
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keepFirst, &text);
    if (text.empty()) return "HDF5 gives no reason";
    // System errors come with addresses and times around the part that people need.
    static const std::string kQuote = "error message = '";
    if (const size_t at = text.find(kQuote); at != std::string::npos) {
        const size_t from = at + kQuote.size();
        return text.substr(from, text.find('\'', from) - from);
    }
    return text;
}

Error h5Failure(ErrorCode code, const std::string& what, const std::filesystem::path& file,
                const std::string& object) {
    Error e{code, fmt::format("{}: {}", what, h5LastFailure()), object};
    return std::move(e).at(file.string());
}

H5Handle h5StoredType(H5Type type) {
    hid_t base = -1;
    switch (type) {
    case H5Type::F64:
        base = H5T_IEEE_F64LE;
        break;
    case H5Type::F32:
    case H5Type::F16:
        base = H5T_IEEE_F32LE;
        break;
    case H5Type::I32:
        base = H5T_STD_I32LE;
        break;
    case H5Type::U8:
        base = H5T_STD_U8LE;
        break;
    case H5Type::U16:
        base = H5T_STD_U16LE;
        break;
    case H5Type::I8:
        base = H5T_STD_I8LE;
        break;
    case H5Type::I16:
        base = H5T_STD_I16LE;
        break;
    case H5Type::U32:
        base = H5T_STD_U32LE;
        break;
    case H5Type::I64:
        base = H5T_STD_I64LE;
        break;
    case H5Type::U64:
        base = H5T_STD_U64LE;
        break;
    }
    H5Handle t(H5Tcopy(base), H5Tclose);
    if (type == H5Type::F16 && t) {
        // IEEE 754 binary16: sign bit 15, 5 exponent bits from 10 with bias 15, 10 mantissa bits from 0.
        H5Tset_fields(t.get(), 15, 10, 5, 0, 10);
        H5Tset_size(t.get(), 2);
        H5Tset_ebias(t.get(), 15);
    }
    return t;
}

size_t h5TypeSize(H5Type type) {
    switch (type) {
    case H5Type::F64:
    case H5Type::I64:
    case H5Type::U64:
        return 8;
    case H5Type::F32:
    case H5Type::I32:
    case H5Type::U32:
        return 4;
    case H5Type::F16:
    case H5Type::I16:
    case H5Type::U16:
        return 2;
    case H5Type::U8:
    case H5Type::I8:
        return 1;
    }
    return 0;
}

const char* h5TypeName(H5Type type) {
    switch (type) {
    case H5Type::F64:
        return "float64";
    case H5Type::F32:
        return "float32";
    case H5Type::F16:
        return "float16";
    case H5Type::I32:
        return "int32";
    case H5Type::U8:
        return "uint8";
    case H5Type::U16:
        return "uint16";
    case H5Type::I8:
        return "int8";
    case H5Type::I16:
        return "int16";
    case H5Type::U32:
        return "uint32";
    case H5Type::I64:
        return "int64";
    case H5Type::U64:
        return "uint64";
    }
    return "";
}

H5Handle h5FileAccess() {
    H5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110);
    H5Pset_file_locking(access.get(), false, true);
    return access;
}

Result<void> h5FollowHardLinks(const H5Handle& file, const std::filesystem::path& path,
                               const std::string& object) {
    std::string prefix;
    for (const std::string& part : h5PathParts(object)) {
        prefix += "/" + part;
        const std::string where = path.string() + ": " + prefix;
        const htri_t there = H5Lexists(file.get(), prefix.c_str(), H5P_DEFAULT);
        if (there < 0) return h5Failure(ErrorCode::Corrupt, "cannot look up the object", path, prefix);
        if (there == 0) return Error::notFound("the object is missing", where);
        H5L_info_t info;
        if (H5Lget_info(file.get(), prefix.c_str(), &info, H5P_DEFAULT) < 0)
            return h5Failure(ErrorCode::Corrupt, "cannot look up the link", path, prefix);
        if (info.type != H5L_TYPE_HARD)
            return Error::corrupt("soft, external and user-defined links are refused", where);
    }
    return {};
}

std::vector<std::string> h5PathParts(const std::string& name) {
    std::vector<std::string> parts;
    for (size_t at = 0; at < name.size();) {
        const size_t end = std::min(name.find('/', at), name.size());
        if (end > at) parts.push_back(name.substr(at, end - at));
        at = end + 1;
    }
    return parts;
}

std::string h5EscapeName(const std::string& name) {
    if (name == ".") return "%2E";
    std::string out;
    for (const char c : name) {
        if (c == '/')
            out += "%2F";
        else if (c == '%')
            out += "%25";
        else
            out += c;
    }
    return out;
}

Result<uint64_t> h5CountOf(const H5Shape& shape, H5Type type) {
    if (shape.empty() || shape.size() > 4)
        return Error::invalid(fmt::format("arrays have 1 to 4 dimensions, not {}", shape.size()));
    const uint64_t limit = kH5MaxBytes / h5TypeSize(type);
    uint64_t count = 1;
    for (const uint64_t d : shape) {
        if (d != 0 && count > limit / d)
            return Error::unsupported(
                fmt::format("an array of shape {} exceeds {} bytes", h5ShapeText(shape), kH5MaxBytes));
        count *= d;
    }
    return count;
}

std::string h5ShapeText(const H5Shape& shape) {
    return fmt::format("[{}]", fmt::join(shape, ", "));
}

} // namespace qs
