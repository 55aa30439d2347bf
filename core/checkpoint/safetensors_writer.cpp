// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/json_scanner.h"
#include "core/checkpoint/name_index.h"
#include "core/checkpoint/safetensors.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <new>

namespace qs {

namespace {

using Metadata = std::map<std::string, std::string>;

uint64_t elementBytes(const SafetensorsItem& item) {
    return uint64_t(dtypeInfo(item.dtype).bits / 8);
}

uint64_t itemBytes(const SafetensorsItem& item) {
    uint64_t n = elementBytes(item);
    for (const uint64_t dim : item.shape)
        n *= dim;
    return n;
}

/// Positions in the order of the file: wide elements first, so that every tensor starts aligned to its
/// element.
std::vector<size_t> layout(const std::vector<SafetensorsItem>& items) {
    std::vector<size_t> order(items.size());
    for (size_t i = 0; i < order.size(); ++i)
        order[i] = i;
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
        const uint64_t wa = elementBytes(items[a]), wb = elementBytes(items[b]);
        return wa != wb ? wa > wb : items[a].name < items[b].name;
    });
    return order;
}

/// The JSON, padded so that the data starts at a multiple of 8.
std::string headerText(const std::vector<SafetensorsItem>& items, const std::vector<size_t>& order,
                       Metadata metadata) {
    metadata.emplace("format", "pt"); // transformers refuses files without it
    std::string out = "{\"__metadata__\":{";
    const char* comma = "";
    for (const auto& [key, value] : metadata) {
        out += comma;
        out += quoteJson(key);
        out += ':';
        out += quoteJson(value);
        comma = ",";
    }
    out += '}';
    uint64_t offset = 0;
    for (const size_t i : order) {
        const SafetensorsItem& item = items[i];
        const uint64_t end = offset + itemBytes(item);
        out += fmt::format(",{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                           quoteJson(item.name), dtypeInfo(item.dtype).name, fmt::join(item.shape, ","),
                           offset, end);
        offset = end;
    }
    out += '}';
    out.resize((out.size() + 7) / 8 * 8, ' ');
    return out;
}

Result<void> checkItem(const SafetensorsItem& item, const std::string& where) {
    const std::string place = fmt::format("{}: tensor '{}'", where, item.name);
    if (findBadUtf8(item.name) != std::string::npos || item.name.find('\0') != std::string::npos)
        return Error::invalid("the name must be UTF-8 without NUL", where);
    if (item.name == "__metadata__") return Error::invalid("this name is reserved by the format", place);
    if (item.name.size() > 1024) return Error::invalid("the name is longer than 1024 bytes", where);
    if (item.shape.size() > 16) return Error::invalid("more than 16 dimensions", place);
    uint64_t n = elementBytes(item);
    for (const uint64_t dim : item.shape)
        if (__builtin_mul_overflow(n, dim, &n) || n > uint64_t(1) << 62)
            return Error::invalid(fmt::format("shape [{}] is too large", fmt::join(item.shape, ", ")), place);
    return {};
}

Result<void> checkAll(const std::vector<SafetensorsItem>& items, const Metadata& metadata,
                      const std::string& where) {
    std::vector<std::string_view> names;
    uint64_t total = 0;
    for (const SafetensorsItem& item : items) {
        QS_CHECK(checkItem(item, where));
        names.push_back(item.name);
        if (__builtin_add_overflow(total, itemBytes(item), &total) || total > uint64_t(1) << 62)
            return Error::invalid("the tensors together are too large", where);
    }
    for (const auto& [key, value] : metadata)
        if (findBadUtf8(key) != std::string::npos || findBadUtf8(value) != std::string::npos)
            return Error::invalid("metadata must be UTF-8", where);
    const NameIndex index(names);
    if (const size_t i = index.duplicate().first; i != NameIndex::npos)
        return Error::invalid("the name is given twice",
                              fmt::format("{}: tensor '{}'", where, items[i].name));
    return {};
}

Result<void> put(std::ofstream& out, std::span<const std::byte> bytes, const std::string& where) {
    errno = 0;
    out.write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
    if (out) return {};
    return Error::io(fmt::format("cannot write: {}", std::strerror(errno ? errno : EIO)), where);
}

Result<void> writeTensors(std::ofstream& out, const std::vector<SafetensorsItem>& items,
                          const std::vector<size_t>& order, const std::string& where) {
    std::vector<std::byte> buffer;
    for (const size_t i : order) {
        const SafetensorsItem& item = items[i];
        const std::string place = fmt::format("{}: tensor '{}'", where, item.name);
        try {
            buffer.assign(size_t(itemBytes(item)), std::byte(0));
        } catch (const std::bad_alloc&) {
            return Error{ErrorCode::OutOfMemory, fmt::format("cannot hold {} bytes", itemBytes(item)), place};
        }
        if (auto filled = item.fill(buffer); !filled) return filled.takeError().at(place);
        QS_CHECK(put(out, buffer, place));
    }
    return {};
}

} // namespace

Result<uint64_t> writeSafetensors(const std::filesystem::path& path, std::vector<SafetensorsItem> items,
                                  Metadata metadata) {
    const std::string where = path.string();
    QS_CHECK(checkAll(items, metadata, where));
    const std::vector<size_t> order = layout(items);
    const std::string header = headerText(items, order, std::move(metadata));
    if (header.size() > 100'000'000)
        return Error::invalid(
            fmt::format("the header takes {} bytes, the format allows 100000000", header.size()), where);
    uint64_t size = 8 + header.size();
    for (const SafetensorsItem& item : items)
        size += itemBytes(item);
    QS_CHECK(commitByRename(path, [&](const std::filesystem::path& temporary) -> Result<void> {
        errno = 0;
        std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
        if (!out)
            return Error::io(fmt::format("cannot create: {}", std::strerror(errno)), temporary.string());
        const uint64_t length = header.size();
        QS_CHECK(put(out, std::as_bytes(std::span(&length, 1)), where));
        QS_CHECK(put(out, std::as_bytes(std::span(header)), where));
        QS_CHECK(writeTensors(out, items, order, where));
        errno = 0;
        out.close();
        if (!out)
            return Error::io(fmt::format("cannot write: {}", std::strerror(errno ? errno : EIO)), where);
        return {};
    }));
    return size;
}

uint64_t safetensorsFileSize(const std::vector<SafetensorsItem>& items, Metadata metadata) {
    uint64_t size = 8 + headerText(items, layout(items), std::move(metadata)).size();
    for (const SafetensorsItem& item : items)
        size += itemBytes(item);
    return size;
}

} // namespace qs
