// SPDX-License-Identifier: Apache-2.0
#include "core/base/npy.h"

#include "core/base/file.h"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <limits>
#include <new>
#include <string_view>

namespace qs {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxHeaderBytes = 1 << 16;
constexpr size_t kMaxRank = 8;

struct NpyHeader {
    std::string type; // "<f4"
    std::vector<size_t> shape;
    size_t elements = 1;
    size_t elementBytes = 0;
    std::span<const std::byte> data;
};

/// The header is a Python dict literal of three known keys; this reads exactly that.
class DictParser {
public:
    explicit DictParser(std::string_view text) : text_(text) {}

    /// The problem, or "" when all went well.
    std::string parse(NpyHeader& out) {
        if (!take('{')) return "the header is not a dict";
        bool type = false, order = false, shape = false;
        while (!take('}')) {
            std::string key;
            if (!quoted(key) || !take(':')) return "malformed dict";
            if (key == "descr" && !type) {
                type = quoted(out.type);
                if (!type) return "descr: not a plain type";
            } else if (key == "fortran_order" && !order) {
                if (word("True")) return "fortran_order: only C order is supported";
                order = word("False");
                if (!order) return "fortran_order: expected True or False";
            } else if (key == "shape" && !shape) {
                if (std::string problem = tuple(out.shape); !problem.empty()) return "shape: " + problem;
                shape = true;
            } else {
                return fmt::format("unknown or repeated key '{}'", key);
            }
            if (take(',')) continue;
            if (!take('}')) return "malformed dict";
            break;
        }
        space();
        if (!text_.empty()) return "something follows the dict";
        return type && order && shape ? "" : "descr, fortran_order or shape is missing";
    }

private:
    void space() {
        while (!text_.empty() && (text_[0] == ' ' || text_[0] == '\n' || text_[0] == '\t'))
            text_.remove_prefix(1);
    }
    bool take(char c) {
        space();
        if (text_.empty() || text_[0] != c) return false;
        text_.remove_prefix(1);
        return true;
    }
    bool word(std::string_view w) {
        space();
        if (!text_.starts_with(w)) return false;
        text_.remove_prefix(w.size());
        return true;
    }
    bool quoted(std::string& out) {
        space();
        if (text_.empty() || (text_[0] != '\'' && text_[0] != '"')) return false;
        const size_t end = text_.find(text_[0], 1);
        if (end == text_.npos) return false;
        out = text_.substr(1, end - 1);
        text_.remove_prefix(end + 1);
        return true;
    }
    std::string tuple(std::vector<size_t>& out) {
        if (!take('(')) return "expected a tuple";
        while (!take(')')) {
            space();
            size_t value = 0, digits = 0;
            for (; !text_.empty() && text_[0] >= '0' && text_[0] <= '9'; ++digits, text_.remove_prefix(1))
                if (__builtin_mul_overflow(value, size_t(10), &value) ||
                    __builtin_add_overflow(value, size_t(text_[0] - '0'), &value))
                    return "a dimension overflows";
            if (digits == 0) return "expected an integer of 0 or more";
            if (out.size() == kMaxRank) return fmt::format("more than {} dimensions", kMaxRank);
            out.push_back(value);
            if (take(',')) continue;
            if (!take(')')) return "malformed tuple";
            break;
        }
        return "";
    }

    std::string_view text_;
};

Result<NpyHeader> parseHeader(std::span<const std::byte> file, const std::string& where) {
    const std::string place = where + ": header";
    const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
    if (text.size() < 10 || !text.starts_with(kMagic)) return Error::corrupt("not a .npy file", place);
    const int version = text[6];
    if (version != 1 && version != 2)
        return Error::unsupported(fmt::format("version {} is neither 1 nor 2", int(file[6])), place);
    const size_t fixed = version == 1 ? 10 : 12;
    if (text.size() < fixed) return Error::corrupt("the file is truncated", place);
    uint32_t length = 0;
    std::memcpy(&length, text.data() + 8, fixed - 8);
    if (length > kMaxHeaderBytes || length > text.size() - fixed)
        return Error::corrupt(
            fmt::format("length {} does not fit into a file of {} bytes", length, text.size()), place);
    NpyHeader h;
    if (const std::string problem = DictParser(text.substr(fixed, length)).parse(h); !problem.empty())
        return Error::corrupt(problem, place);
    h.elementBytes = h.type.ends_with("4") ? 4 : 8;
    h.data = file.subspan(fixed + length);
    size_t bytes = h.elementBytes;
    for (const size_t dim : h.shape)
        if (__builtin_mul_overflow(h.elements, dim, &h.elements) ||
            __builtin_mul_overflow(bytes, dim, &bytes))
            return Error::corrupt(fmt::format("({}) overflows", fmt::join(h.shape, ", ")), place + ": shape");
    return h;
}

Result<NpyHeader> parseHeaderOf(std::span<const std::byte> file, const char* kind, const std::string& where) {
    QS_TRY(NpyHeader h, parseHeader(file, where));
    if (h.type != fmt::format("<{}4", kind) && h.type != fmt::format("<{}8", kind))
        return Error::unsupported(
            fmt::format("'{}' is neither '<{}4' nor '<{}8'", h.type.substr(0, 32), kind, kind),
            where + ": header: descr");
    if (h.data.size() != h.elements * h.elementBytes)
        return Error::corrupt(fmt::format("shape ({}) of '{}' takes {} bytes, the file holds {}",
                                          fmt::join(h.shape, ", "), h.type, h.elements * h.elementBytes,
                                          h.data.size()),
                              where + ": data");
    return h;
}

template<class T, class Wide>
Result<std::vector<T>> convert(const NpyHeader& h, const std::string& where) {
    std::vector<T> out(h.elements);
    if (h.elementBytes == sizeof(T)) {
        if (h.elements) std::memcpy(out.data(), h.data.data(), h.data.size());
        return out;
    }
    for (size_t i = 0; i < h.elements; ++i) {
        Wide wide;
        std::memcpy(&wide, h.data.data() + i * sizeof wide, sizeof wide);
        if constexpr (std::is_integral_v<T>)
            if (wide < std::numeric_limits<T>::min() || wide > std::numeric_limits<T>::max())
                return Error::invalid(fmt::format("{} does not fit into 32 bits", wide),
                                      fmt::format("{}: element {}", where, i));
        out[i] = T(wide);
    }
    return out;
}

template<class T, class Wide>
Result<NpyData<T>> parseNpy(std::span<const std::byte> file, const char* kind, const std::string& where) {
    QS_TRY(NpyHeader h, parseHeaderOf(file, kind, where));
    try {
        QS_TRY(auto values, (convert<T, Wide>(h, where)));
        return NpyData<T>{std::move(h.shape), std::move(values)};
    } catch (const std::bad_alloc&) {
        return Error{ErrorCode::OutOfMemory, fmt::format("cannot hold {} values", h.elements), where};
    }
}

} // namespace

Result<NpyData<float>> parseNpyFloat(std::span<const std::byte> file, const std::string& where) {
    return parseNpy<float, double>(file, "f", where);
}
Result<NpyData<int32_t>> parseNpyInt(std::span<const std::byte> file, const std::string& where) {
    return parseNpy<int32_t, int64_t>(file, "i", where);
}

Result<NpyData<float>> readNpyFloat(const std::filesystem::path& path) {
    QS_TRY(const auto map, MappedFile::open(path));
    return parseNpyFloat(map->bytes(), path.string());
}
Result<NpyData<int32_t>> readNpyInt(const std::filesystem::path& path) {
    QS_TRY(const auto map, MappedFile::open(path));
    return parseNpyInt(map->bytes(), path.string());
}

Result<void> writeNpyFloat(const std::filesystem::path& path, std::span<const size_t> shape,
                           std::span<const float> values) {
    size_t elements = 1;
    for (const size_t dim : shape)
        if (__builtin_mul_overflow(elements, dim, &elements))
            return Error::invalid("the shape's product overflows", path.string());
    if (elements != values.size() || shape.size() > kMaxRank)
        return Error::invalid(
            fmt::format("shape ({}) does not describe {} values", fmt::join(shape, ", "), values.size()),
            path.string());
    std::string header = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{}), }}",
                                     fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
    header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 11, ' '); // the data starts at a multiple of 64
    header += '\n';
    return commitByRename(path, [&](const std::filesystem::path& temporary) -> Result<void> {
        errno = 0;
        std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
        const uint16_t length = uint16_t(header.size());
        out << kMagic << '\x01' << '\0';
        out.write(reinterpret_cast<const char*>(&length), sizeof length);
        out << header;
        out.write(reinterpret_cast<const char*>(values.data()), std::streamsize(values.size_bytes()));
        out.close();
        if (out) return {};
        return Error::io(fmt::format("cannot write: {}", std::strerror(errno ? errno : EIO)), path.string());
    });
}

} // namespace qs
