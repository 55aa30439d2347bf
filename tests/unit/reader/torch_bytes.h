// SPDX-License-Identifier: Apache-2.0
// Archives and pickles of torch.save put together byte by byte, with every field open to lies.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace qs::test {

template<class T>
std::string le(T value) {
    std::string out(sizeof value, '\0');
    std::memcpy(out.data(), &value, sizeof value);
    return out;
}

struct ZipItem {
    std::string name, content;
    uint16_t method = 0, flags = 0;
    std::string localName = {};     ///< "" = name
    int64_t size = -1, packed = -1; ///< stated in the directory; -1 = the content's
    int64_t localSize = -1;         ///< stated in the local header
    int64_t headerOffset = -1;      ///< stated in the directory
};

/// Local headers and contents, the directory, the end record.
inline std::string zipBytes(const std::vector<ZipItem>& items, const std::string& comment = {}) {
    std::string out, directory;
    for (const ZipItem& i : items) {
        const uint32_t at = uint32_t(i.headerOffset < 0 ? int64_t(out.size()) : i.headerOffset);
        const uint32_t size = uint32_t(i.size < 0 ? int64_t(i.content.size()) : i.size);
        const uint32_t packed = uint32_t(i.packed < 0 ? int64_t(size) : i.packed);
        const uint32_t localSize = uint32_t(i.localSize < 0 ? int64_t(size) : i.localSize);
        const std::string local = i.localName.empty() ? i.name : i.localName;
        const std::string common = le(i.flags) + le(i.method) + le(uint32_t(0)) + le(uint32_t(0));
        out += "PK\3\4" + le(uint16_t(20)) + common + le(localSize) + le(localSize) +
               le(uint16_t(local.size())) + le(uint16_t(0)) + local + i.content;
        directory += "PK\1\2" + le(uint16_t(20)) + le(uint16_t(20)) + common + le(packed) + le(size) +
                     le(uint16_t(i.name.size())) + std::string(12, '\0') + le(at) + i.name;
    }
    const uint32_t offset = uint32_t(out.size());
    const uint16_t count = uint16_t(items.size());
    return out + directory + "PK\5\6" + le(uint32_t(0)) + le(count) + le(count) +
           le(uint32_t(directory.size())) + le(offset) + le(uint16_t(comment.size())) + comment;
}

// Instructions of a pickle, by their names in pickletools.
inline std::string text(const std::string& s) {
    return "X" + le(uint32_t(s.size())) + s;
}
inline std::string global(const std::string& module, const std::string& name) {
    return "c" + module + "\n" + name + "\n";
}
inline std::string integer(int64_t v) {
    return "\x8a\x08" + le(v);
}
inline std::string tuple(const std::vector<std::string>& parts) {
    std::string out = "(";
    for (const std::string& p : parts)
        out += p;
    return out + "t";
}
inline std::string integers(const std::vector<int64_t>& values) {
    std::vector<std::string> parts;
    for (const int64_t v : values)
        parts.push_back(integer(v));
    return tuple(parts);
}
inline std::string storage(const std::string& type, const std::string& key, int64_t count) {
    return tuple({text("storage"), global("torch", type), text(key), text("cpu"), integer(count)}) + "Q";
}
inline std::string tensor(const std::string& storage, int64_t offset, const std::vector<int64_t>& shape,
                          const std::vector<int64_t>& strides) {
    const std::string hooks = global("collections", "OrderedDict") + ")R";
    return global("torch._utils", "_rebuild_tensor_v2") +
           tuple({storage, integer(offset), integers(shape), integers(strides), "\x89", hooks}) + "R";
}
/// A dict of one entry, the whole pickle.
inline std::string pickleOf(const std::string& value, const std::string& key = "w") {
    return "\x80\x02}" + text(key) + value + "s.";
}

/// pickle and one storage "0" of `floats` float32 numbers 1, 2, 3, ...
inline std::vector<ZipItem> torchItems(const std::string& pickle, size_t floats = 6) {
    std::string data;
    for (size_t i = 0; i < floats; ++i)
        data += le(float(i + 1));
    return {{"a/data.pkl", pickle}, {"a/byteorder", "little"}, {"a/data/0", data}, {"a/version", "3\n"}};
}

} // namespace qs::test
