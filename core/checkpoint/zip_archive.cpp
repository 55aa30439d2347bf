// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/zip_archive.h"

#include "core/checkpoint/json_scanner.h"
#include "core/checkpoint/name_index.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr uint32_t kLocalSignature = 0x04034b50, kCentralSignature = 0x02014b50, kEndSignature = 0x06054b50,
                   kEnd64Signature = 0x06064b50, kLocator64Signature = 0x07064b50;
constexpr uint64_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56,
                   kLocator64Bytes = 20;
constexpr uint64_t kMaxComment = 0xFFFF, kMaxEntries = uint64_t(1) << 20;
constexpr uint32_t kFull32 = 0xFFFFFFFF;
constexpr uint16_t kFull16 = 0xFFFF, kZip64Extra = 1, kStored = 0;
/// Encrypted, strongly encrypted, with a masked local header.
constexpr uint16_t kEncryptionFlags = 1 | 1 << 6 | 1 << 13;
/// Sizes and CRC follow the content; the local header may hold zeros.
constexpr uint16_t kDescriptorFlag = 1 << 3;

struct Directory {
    uint64_t entries = 0, offset = 0, size = 0;
};

struct CentralEntry {
    ZipEntry entry;
    uint64_t packed = 0, localHeader = 0;
    uint16_t flags = 0, method = 0, disk = 0;
};

bool plainPath(std::string_view name) {
    constexpr std::string_view forbidden("\\\0", 2);
    if (name.empty() || name[0] == '/' || name.find_first_of(forbidden) != name.npos) return false;
    for (size_t at = 0; at <= name.size();) {
        const size_t end = std::min(name.find('/', at), name.size());
        const std::string_view part = name.substr(at, end - at);
        if (part == ".." || part == "." || (part.empty() && end != name.size())) return false;
        at = end + 1;
    }
    return true;
}

class ZipParser {
public:
    ZipParser(std::span<const std::byte> file, const std::string& where) : file_(file), where_(where) {}

    Result<std::vector<ZipEntry>> parse() {
        QS_TRY(const uint64_t end, findEnd());
        QS_TRY(const Directory directory, readEnd(end));
        QS_TRY(std::vector<CentralEntry> list, readDirectory(directory));
        for (CentralEntry& e : list)
            QS_CHECK(locate(e, directory.offset));
        QS_CHECK(checkNames(list));
        QS_CHECK(checkOverlaps(list));
        std::vector<ZipEntry> out;
        for (CentralEntry& e : list)
            if (!e.entry.name.ends_with('/')) out.push_back(std::move(e.entry));
        return out;
    }

private:
    template<class T>
    T at(uint64_t offset) const { // the caller has checked the range
        T value;
        std::memcpy(&value, file_.data() + offset, sizeof value);
        return value;
    }
    bool fits(uint64_t offset, uint64_t size, uint64_t end) const {
        return offset <= end && size <= end - offset;
    }
    std::string_view text(uint64_t offset, uint64_t size) const {
        return {reinterpret_cast<const char*>(file_.data()) + offset, size_t(size)};
    }
    Error corrupt(std::string message, const std::string& entry = {}) const {
        return Error::corrupt(std::move(message), where_ + (entry.empty() ? "" : ": entry " + entry));
    }

    Result<uint64_t> findEnd() const;
    Result<Directory> readEnd(uint64_t end) const;
    Result<Directory> readEnd64(uint64_t locator) const;
    Result<std::vector<CentralEntry>> readDirectory(const Directory& directory) const;
    Result<void> readZip64Extra(CentralEntry& e, uint64_t offset, uint64_t size) const;
    Result<void> locate(CentralEntry& e, uint64_t limit) const;
    Result<void> checkLocal(const CentralEntry& e, uint64_t nameBytes) const;
    Result<void> checkNames(const std::vector<CentralEntry>& list) const;
    Result<void> checkOverlaps(std::vector<CentralEntry>& list) const;

    std::span<const std::byte> file_;
    const std::string& where_;
};

/// The end record is the last thing in the file but for a comment whose length it states.
Result<uint64_t> ZipParser::findEnd() const {
    if (file_.size() >= kEndBytes) {
        const uint64_t last = file_.size() - kEndBytes, first = last > kMaxComment ? last - kMaxComment : 0;
        for (uint64_t p = last + 1; p-- > first;)
            if (at<uint32_t>(p) == kEndSignature && at<uint16_t>(p + 20) == last - p) return p;
    }
    return corrupt(fmt::format("no end of a zip directory in a file of {} bytes (truncated?)", file_.size()));
}

Result<Directory> ZipParser::readEnd(uint64_t end) const {
    if (end >= kLocator64Bytes && at<uint32_t>(end - kLocator64Bytes) == kLocator64Signature)
        return readEnd64(end - kLocator64Bytes);
    const uint16_t disk = at<uint16_t>(end + 4), first = at<uint16_t>(end + 6);
    const uint16_t here = at<uint16_t>(end + 8), all = at<uint16_t>(end + 10);
    if (disk != 0 || first != 0 || here != all) return corrupt("the archive is spread over several disks");
    const Directory d{all, at<uint32_t>(end + 16), at<uint32_t>(end + 12)};
    if (!fits(d.offset, d.size, end))
        return corrupt(
            fmt::format("the directory of {} bytes at {} does not end before {}", d.size, d.offset, end));
    return d;
}

Result<Directory> ZipParser::readEnd64(uint64_t locator) const {
    const uint64_t end = at<uint64_t>(locator + 8);
    if (!fits(end, kEnd64Bytes, locator) || at<uint32_t>(end) != kEnd64Signature)
        return corrupt(fmt::format("no zip64 end record at {}, where its locator points", end));
    if (at<uint32_t>(locator + 4) != 0 || at<uint32_t>(locator + 16) > 1 || at<uint32_t>(end + 16) != 0 ||
        at<uint32_t>(end + 20) != 0 || at<uint64_t>(end + 24) != at<uint64_t>(end + 32))
        return corrupt("the archive is spread over several disks");
    const Directory d{at<uint64_t>(end + 32), at<uint64_t>(end + 48), at<uint64_t>(end + 40)};
    if (!fits(d.offset, d.size, end))
        return corrupt(
            fmt::format("the directory of {} bytes at {} does not end before {}", d.size, d.offset, end));
    return d;
}

Result<std::vector<CentralEntry>> ZipParser::readDirectory(const Directory& directory) const {
    if (directory.entries > kMaxEntries || directory.entries > directory.size / kCentralBytes)
        return corrupt(fmt::format("{} entries do not fit into a directory of {} bytes (limit {})",
                                   directory.entries, directory.size, kMaxEntries));
    std::vector<CentralEntry> list;
    const uint64_t end = directory.offset + directory.size;
    uint64_t p = directory.offset;
    for (uint64_t i = 0; i < directory.entries; ++i) {
        if (!fits(p, kCentralBytes, end) || at<uint32_t>(p) != kCentralSignature)
            return corrupt(fmt::format("no directory entry {} at {}", i, p));
        CentralEntry& e = list.emplace_back();
        e.flags = at<uint16_t>(p + 8);
        e.method = at<uint16_t>(p + 10);
        e.packed = at<uint32_t>(p + 20);
        e.entry.size = at<uint32_t>(p + 24);
        e.disk = at<uint16_t>(p + 34);
        e.localHeader = at<uint32_t>(p + 42);
        const uint64_t name = at<uint16_t>(p + 28), extra = at<uint16_t>(p + 30),
                       comment = at<uint16_t>(p + 32);
        if (!fits(p + kCentralBytes, name + extra + comment, end))
            return corrupt(fmt::format("directory entry {} at {} is cut off", i, p));
        e.entry.name = text(p + kCentralBytes, name);
        if (!plainPath(e.entry.name) || findBadUtf8(e.entry.name) != std::string::npos)
            return corrupt(
                fmt::format("the name of directory entry {} at {} is not a plain relative path", i, p));
        QS_CHECK(readZip64Extra(e, p + kCentralBytes + name, extra));
        p += kCentralBytes + name + extra + comment;
    }
    return list;
}

/// Values that do not fit into 32 bits stand in an extra field, those and no others, in this order.
Result<void> ZipParser::readZip64Extra(CentralEntry& e, uint64_t offset, uint64_t size) const {
    const uint64_t end = offset + size;
    while (end - offset >= 4) {
        const uint16_t id = at<uint16_t>(offset), bytes = at<uint16_t>(offset + 2);
        offset += 4;
        if (bytes > end - offset) return corrupt("an extra field is cut off", e.entry.name);
        if (id == kZip64Extra) {
            uint64_t p = offset;
            const uint64_t last = offset + bytes;
            for (uint64_t* value : {&e.entry.size, &e.packed, &e.localHeader}) {
                if (*value != kFull32) continue;
                if (last - p < 8) return corrupt("the zip64 field is too short", e.entry.name);
                *value = at<uint64_t>(p);
                p += 8;
            }
            if (e.disk == kFull16) {
                if (last - p < 4) return corrupt("the zip64 field is too short", e.entry.name);
                e.disk = at<uint32_t>(p) == 0 ? 0 : kFull16;
            }
            return {};
        }
        offset += bytes;
    }
    return {};
}

/// From the local header to the content, which must end before `limit`.
Result<void> ZipParser::locate(CentralEntry& e, uint64_t limit) const {
    const std::string& name = e.entry.name;
    if ((e.flags & kEncryptionFlags) != 0)
        return Error::unsupported("the entry is encrypted", where_ + ": entry " + name);
    if (e.method != kStored)
        return Error::unsupported(
            fmt::format("the entry is compressed (method {}); only stored entries can be mapped", e.method),
            where_ + ": entry " + name);
    if (e.disk != 0) return corrupt("the entry is on another disk", name);
    if (e.packed != e.entry.size)
        return corrupt(fmt::format("stored, but {} bytes are packed into {}", e.entry.size, e.packed), name);
    const uint64_t p = e.localHeader;
    if (!fits(p, kLocalBytes, limit) || at<uint32_t>(p) != kLocalSignature)
        return corrupt(fmt::format("no local header at {}", p), name);
    const uint64_t nameBytes = at<uint16_t>(p + 26), extra = at<uint16_t>(p + 28);
    if (!fits(p + kLocalBytes, nameBytes + extra, limit)) return corrupt("the local header is cut off", name);
    QS_CHECK(checkLocal(e, nameBytes));
    e.entry.offset = p + kLocalBytes + nameBytes + extra;
    if (!fits(e.entry.offset, e.entry.size, limit))
        return corrupt(fmt::format("{} bytes at {} reach beyond the start of the directory at {}",
                                   e.entry.size, e.entry.offset, limit),
                       name);
    return {};
}

Result<void> ZipParser::checkLocal(const CentralEntry& e, uint64_t nameBytes) const {
    const uint64_t p = e.localHeader;
    const std::string& name = e.entry.name;
    if (text(p + kLocalBytes, nameBytes) != name)
        return corrupt("the local header has another name than the directory", name);
    const uint16_t flags = at<uint16_t>(p + 6), method = at<uint16_t>(p + 8);
    if (method != e.method || ((flags ^ e.flags) & (kEncryptionFlags | kDescriptorFlag)) != 0)
        return corrupt("the local header has another method or other flags than the directory", name);
    for (const uint64_t field : {uint64_t(18), uint64_t(22)}) {
        const uint32_t size = at<uint32_t>(p + field);
        const bool elsewhere = size == kFull32 || (size == 0 && (flags & kDescriptorFlag) != 0);
        if (size != e.entry.size && !elsewhere)
            return corrupt(
                fmt::format("the local header states {} bytes, the directory {}", size, e.entry.size), name);
    }
    return {};
}

Result<void> ZipParser::checkNames(const std::vector<CentralEntry>& list) const {
    std::vector<std::string_view> names;
    names.reserve(list.size());
    for (const CentralEntry& e : list)
        names.push_back(e.entry.name);
    const size_t second = NameIndex(std::move(names)).duplicate().second;
    if (second == NameIndex::npos) return {};
    return corrupt("the name is there twice", list[second].entry.name);
}

Result<void> ZipParser::checkOverlaps(std::vector<CentralEntry>& list) const {
    std::sort(list.begin(), list.end(),
              [](const CentralEntry& a, const CentralEntry& b) { return a.localHeader < b.localHeader; });
    for (size_t i = 1; i < list.size(); ++i) {
        const ZipEntry& before = list[i - 1].entry;
        if (before.offset + before.size > list[i].localHeader)
            return corrupt(
                fmt::format("overlaps entry {}, which ends at {}", before.name, before.offset + before.size),
                list[i].entry.name);
    }
    return {};
}

} // namespace

Result<std::vector<ZipEntry>> readStoredZip(std::span<const std::byte> file, const std::string& where) {
    return ZipParser(file, where).parse();
}

} // namespace qs
