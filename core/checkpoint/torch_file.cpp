// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/torch_file.h"

#include "core/checkpoint/name_index.h"
#include "core/checkpoint/pickle_machine.h"
#include "core/checkpoint/zip_archive.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace qs {

namespace {

using Kind = PickleValue::Kind;

constexpr std::string_view kPickleName = "/data.pkl";
constexpr size_t kMaxNameBytes = 1024;
constexpr uint64_t kMaxRepeated = uint64_t(64) << 20;
/// A pickle of the number 0x1950a86a20f9469cfc6c opens files of torch before 1.6.
constexpr std::string_view kOldMagic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12);

std::string_view textOf(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Result<void> refuseOldForms(std::string_view file, const std::string& where) {
    constexpr const char* kAdvice =
        "; open it with PyTorch and save it again with torch.save, or as safetensors";
    if (file.substr(0, 16).find(kOldMagic) != file.npos)
        return Error::unsupported(
            std::string("written by torch.save before version 1.6, which is not read") + kAdvice, where);
    if (file.size() > 262 && file.substr(257, 5) == "ustar")
        return Error::unsupported(std::string("a tar file of an early PyTorch, which is not read") + kAdvice,
                                  where);
    if (!file.starts_with("PK"))
        return Error::corrupt(
            "not a file of torch.save: it does not start with the mark of a zip archive (PK)", where);
    return {};
}

struct Archive {
    std::vector<ZipEntry> entries;
    NameIndex names; // views into entries
    std::string root;

    const ZipEntry* find(const std::string& name) const {
        const size_t i = names.find(root + "/" + name);
        return i == NameIndex::npos ? nullptr : &entries[i];
    }
};

Result<Archive> openArchive(std::span<const std::byte> file, const std::string& where) {
    Archive a;
    QS_TRY(a.entries, readStoredZip(file, where));
    std::vector<std::string_view> names;
    for (const ZipEntry& e : a.entries) {
        names.push_back(e.name);
        const bool pickle =
            e.name.ends_with(kPickleName) && e.name.find('/') + kPickleName.size() == e.name.size();
        if (!pickle) continue;
        if (!a.root.empty()) return Error::corrupt("two entries <root>/data.pkl", where);
        a.root = e.name.substr(0, e.name.size() - kPickleName.size());
    }
    a.names = NameIndex(std::move(names));
    if (a.root.empty())
        return Error::corrupt("a zip archive, but not of torch.save: there is no entry <root>/data.pkl",
                              where);
    if (a.find("constants.pkl"))
        return Error::unsupported("a TorchScript program (constants.pkl); only files of torch.save are read",
                                  where);
    if (const ZipEntry* order = a.find("byteorder")) {
        const std::string_view text =
            textOf(file.subspan(order->offset, std::min<uint64_t>(order->size, 16)));
        if (text != "little")
            return Error::unsupported("the byte order is not little", where + ": entry " + order->name);
    }
    return a;
}

class TensorLister {
public:
    TensorLister(const PickleData& data, const Archive& archive, const std::string& where)
        : data_(data), archive_(archive), where_(where) {}

    Result<std::vector<TorchTensor>> list() {
        const PickleValue* top = &data_.at(data_.root);
        if (top->kind != Kind::Dict)
            return Error::unsupported("the file does not hold a dict of tensors", where_);
        if (!holdsTensor(*top)) {
            top = inner(*top);
            if (!top)
                return Error::unsupported(
                    "neither the dict at the top nor its member 'state_dict' or 'model' holds "
                    "tensors",
                    where_);
        }
        for (size_t i = 0; i + 1 < top->items.size(); i += 2)
            QS_CHECK(add(data_.at(top->items[i]), data_.at(top->items[i + 1])));
        QS_CHECK(checkNames());
        return std::move(out_);
    }

private:
    bool holdsTensor(const PickleValue& dict) const {
        for (size_t i = 1; i < dict.items.size(); i += 2)
            if (data_.at(dict.items[i]).kind == Kind::Tensor) return true;
        return false;
    }

    const PickleValue* inner(const PickleValue& top) const {
        for (const std::string_view name : {"state_dict", "model"})
            for (size_t i = 0; i + 1 < top.items.size(); i += 2) {
                const PickleValue &key = data_.at(top.items[i]), &value = data_.at(top.items[i + 1]);
                if (key.kind == Kind::String && key.text == name && value.kind == Kind::Dict &&
                    holdsTensor(value))
                    return &value;
            }
        return nullptr;
    }

    Result<void> add(const PickleValue& key, const PickleValue& value) {
        if (value.kind != Kind::Tensor) return {};
        if (key.kind != Kind::String)
            return Error::unsupported("a tensor whose name is not a string", where_);
        if (key.text.size() > kMaxNameBytes || key.text.find('\0') != key.text.npos)
            return Error::corrupt(fmt::format("a tensor's name has {} bytes (limit {}) or holds NUL",
                                              key.text.size(), kMaxNameBytes),
                                  where_);
        const std::string where = fmt::format("{}: tensor '{}'", where_, key.text);
        const PickleTensor& t = data_.tensors[value.index];
        QS_TRY(const ZipEntry* entry, storageOf(t, where));
        QS_CHECK(checkView(t, entry->size, where));
        const uint64_t element = uint64_t(dtypeInfo(t.dtype).bits) / 8;
        out_.push_back(
            {std::string(key.text), t.dtype, t.shape, t.strides, entry->offset + t.offset * element});
        return {};
    }

    Result<const ZipEntry*> storageOf(const PickleTensor& t, const std::string& where) const {
        const ZipEntry* entry = archive_.find("data/" + std::string(t.storage.key));
        if (!entry)
            return Error::corrupt(
                fmt::format("the archive has no entry {}/data/{}", archive_.root, t.storage.key), where);
        const uint64_t element = t.storage.dtype ? uint64_t(dtypeInfo(*t.storage.dtype).bits) / 8 : 1;
        uint64_t bytes = 0;
        if (__builtin_mul_overflow(t.storage.count, element, &bytes) || bytes != entry->size)
            return Error::corrupt(
                fmt::format("storage {} states {} elements of {} bytes, its entry has {} bytes",
                            t.storage.key, t.storage.count, element, entry->size),
                where);
        return entry;
    }

    /// offset + sum (size - 1) * stride is the last element; nothing when a size is 0.
    Result<void> checkView(const PickleTensor& t, uint64_t storageBytes, const std::string& where) const {
        const uint64_t element = uint64_t(dtypeInfo(t.dtype).bits) / 8, available = storageBytes / element;
        const std::string view = fmt::format("shape [{}] with strides [{}] at {}", fmt::join(t.shape, ", "),
                                             fmt::join(t.strides, ", "), t.offset);
        if (std::find(t.shape.begin(), t.shape.end(), 0u) != t.shape.end())
            return t.offset <= available ? Result<void>()
                                         : Error::corrupt(view + " starts outside its storage", where);
        uint64_t bytes = element, last = t.offset;
        bool overflow = false;
        for (size_t i = 0; i < t.shape.size(); ++i) {
            uint64_t step = 0;
            overflow = overflow || __builtin_mul_overflow(bytes, t.shape[i], &bytes) ||
                       __builtin_mul_overflow(t.shape[i] - 1, t.strides[i], &step) ||
                       __builtin_add_overflow(last, step, &last);
        }
        if (overflow) return Error::corrupt(view + " overflows 64 bits", where);
        if (last >= available)
            return Error::corrupt(
                fmt::format("{} reaches element {} of a storage of {}", view, last, available), where);
        if (bytes > storageBytes && bytes > kMaxRepeated)
            return Error::unsupported(
                fmt::format("a view of {} bytes repeats the {} bytes of its storage", bytes, storageBytes),
                where);
        return {};
    }

    Result<void> checkNames() const {
        std::vector<std::string_view> names;
        for (const TorchTensor& t : out_)
            names.push_back(t.name);
        const size_t second = NameIndex(std::move(names)).duplicate().second;
        if (second == NameIndex::npos) return {};
        return Error::corrupt("the name is there twice",
                              fmt::format("{}: tensor '{}'", where_, out_[second].name));
    }

    const PickleData& data_;
    const Archive& archive_;
    const std::string& where_;
    std::vector<TorchTensor> out_;
};

} // namespace

Result<std::vector<TorchTensor>> readTorchFile(std::span<const std::byte> file, const std::string& where) {
    QS_CHECK(refuseOldForms(textOf(file), where));
    QS_TRY(const Archive archive, openArchive(file, where));
    const ZipEntry& pickle = *archive.find("data.pkl");
    QS_TRY(const PickleData data,
           runPickle(file.subspan(pickle.offset, pickle.size), where + ": entry " + pickle.name));
    return TensorLister(data, archive, where).list();
}

} // namespace qs
