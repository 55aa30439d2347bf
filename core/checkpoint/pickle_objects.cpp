// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/pickle_objects.h"

#include <fmt/format.h>
#include <tuple>

namespace qs {

namespace {

using Kind = PickleValue::Kind;

constexpr size_t kMaxRank = 16;

Result<std::vector<uint64_t>> extents(const PickleData& data, PickleRef ref, const char* what) {
    QS_CHECK(expectPickleKind(data, ref, Kind::Tuple, what));
    const std::vector<PickleRef>& items = data.at(ref).items;
    if (items.size() > kMaxRank)
        return Error::corrupt(fmt::format("{}: more than {} dimensions", what, kMaxRank));
    std::vector<uint64_t> out;
    for (const PickleRef item : items) {
        QS_CHECK(expectPickleKind(data, item, Kind::Int, what));
        if (data.at(item).integer < 0)
            return Error::corrupt(fmt::format("{} holds {}", what, data.at(item).integer));
        out.push_back(uint64_t(data.at(item).integer));
    }
    return out;
}

} // namespace

const char* pickleKindName(PickleValue::Kind kind) {
    static constexpr const char* kNames[] = {"None",    "a bool",   "an int", "an int of more than 64 bits",
                                             "a float", "a string", "a name", "a tuple",
                                             "a list",  "a set",    "a dict", "a storage",
                                             "a tensor"};
    return kNames[size_t(kind)];
}

Result<void> expectPickleKind(const PickleData& data, PickleRef ref, PickleValue::Kind kind,
                              const char* what) {
    const Kind found = data.at(ref).kind;
    if (found == kind) return {};
    return Error::corrupt(
        fmt::format("{} must be {}, found {}", what, pickleKindName(kind), pickleKindName(found)));
}

Result<PickleStorage> pickleStorage(const PickleData& data, PickleRef id) {
    QS_CHECK(expectPickleKind(data, id, Kind::Tuple, "a persistent id"));
    const std::vector<PickleRef>& parts = data.at(id).items;
    if (parts.size() != 5)
        return Error::corrupt(fmt::format("a persistent id has 5 parts, found {}", parts.size()));
    const std::pair<Kind, const char*> kinds[] = {{Kind::String, "the persistent id's tag"},
                                                  {Kind::Symbol, "the storage's type"},
                                                  {Kind::String, "the storage's key"},
                                                  {Kind::String, "the storage's device"},
                                                  {Kind::Int, "the storage's length"}};
    for (size_t i = 0; i < parts.size(); ++i)
        QS_CHECK(expectPickleKind(data, parts[i], kinds[i].first, kinds[i].second));
    const PickleValue &type = data.at(parts[1]), &count = data.at(parts[4]);
    if (data.at(parts[0]).text != "storage") return Error::corrupt("a persistent id that is not a storage");
    if (type.symbol != PickleSymbol::Storage) return Error::corrupt("the storage's type is not one");
    if (count.integer < 0) return Error::corrupt("a storage of negative length");
    return PickleStorage{data.at(parts[2]).text, type.dtype, uint64_t(count.integer)};
}

Result<PickleTensor> pickleTensor(const PickleData& data, const PickleValue& arguments, bool v3) {
    const std::vector<PickleRef>& a = arguments.items;
    const size_t least = v3 ? 7 : 6;
    if (a.size() < least || a.size() > least + 1)
        return Error::corrupt(
            fmt::format("a tensor has {} or {} parts, found {}", least, least + 1, a.size()));
    QS_CHECK(expectPickleKind(data, a[0], Kind::Storage, "a tensor's storage"));
    QS_CHECK(expectPickleKind(data, a[1], Kind::Int, "a tensor's offset"));
    PickleTensor t;
    QS_TRY(t.shape, extents(data, a[2], "a tensor's shape"));
    QS_TRY(t.strides, extents(data, a[3], "a tensor's strides"));
    t.storage = data.storages[data.at(a[0]).index];
    if (data.at(a[1]).integer < 0) return Error::corrupt("a tensor's offset is negative");
    t.offset = uint64_t(data.at(a[1]).integer);
    if (t.shape.size() != t.strides.size())
        return Error::corrupt(
            fmt::format("a tensor has {} dimensions but {} strides", t.shape.size(), t.strides.size()));
    std::optional<DType> dtype = t.storage.dtype;
    if (v3) {
        const PickleValue& named = data.at(a[6]);
        if (named.kind != Kind::Symbol || named.symbol != PickleSymbol::DTypeName)
            return Error::corrupt("a tensor's type is no dtype");
        dtype = named.dtype;
    }
    if (!dtype) return Error::corrupt("a tensor without an element type");
    t.dtype = *dtype;
    return t;
}

} // namespace qs
