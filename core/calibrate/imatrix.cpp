// SPDX-License-Identifier: Apache-2.0
#include "core/calibrate/imatrix.h"

#include "core/base/file.h"
#include "core/checkpoint/gguf_set.h"
#include "core/checkpoint/gguf_writer.h"
#include "core/checkpoint/json_scanner.h"
#include "core/model/gguf_architecture.h"

#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <map>
#include <set>

namespace qs {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kSum = ".in_sum2", kCounts = ".counts";
constexpr size_t kMostValues = size_t(1) << 28; // of one entry
constexpr int32_t kMostName = 4096, kMostEntries = 1 << 22;

Result<void> checkEntry(const ImatrixEntry& e, const std::string& place) {
    if (e.counts.empty() || e.channels == 0 || e.sum2.size() != e.counts.size() * e.channels)
        return Error::corrupt(
            fmt::format("{} sums and {} counts do not belong together", e.sum2.size(), e.counts.size()),
            place);
    for (const auto* list : {&e.sum2, &e.counts})
        for (const float v : *list)
            if (!std::isfinite(v) || v < 0)
                return Error::corrupt(fmt::format("a sum or count must be finite and at least 0, got {}", v),
                                      place);
    return {};
}

Result<void> checkUnique(const Imatrix& m, const std::string& where) {
    std::set<std::string_view> names;
    for (const ImatrixEntry& e : m.entries)
        if (!names.insert(e.weight).second)
            return Error::corrupt("is there twice", fmt::format("{}: '{}'", where, e.weight));
    if (m.entries.empty()) return Error::corrupt("holds no entries", where);
    return {};
}

// --- GGUF ---

/// Of float32, as the format has it: blocks of few bits would unfold into many times what the file holds.
Result<std::vector<float>> readFloats(const GgufSet& set, size_t index, const std::string& place) {
    const GgufTensor& t = set.tensors()[index].info;
    if (t.type != ggmlType(0))
        return Error::corrupt(fmt::format("{} must be F32, is {}", t.name, t.type->name), place);
    return set.values(index, kMostValues);
}

Result<Imatrix> readGguf(const fs::path& file) {
    QS_TRY(const auto set, GgufSet::open(file));
    const GgufMetadata& m = set->metadata();
    QS_TRY(const std::string_view type, m.textOr("general.type", "model"));
    if (type != "imatrix")
        return Error::unsupported(fmt::format("is a GGUF file of type '{}', not an importance matrix", type),
                                  file.string());
    Imatrix out;
    QS_TRY(out.datasets, m.texts("imatrix.datasets"));
    QS_TRY(const uint64_t chunks, m.sizeOr("imatrix.chunk_count", UINT32_MAX, 0));
    QS_TRY(const uint64_t size, m.sizeOr("imatrix.chunk_size", UINT32_MAX, 0));
    out.chunks = uint32_t(chunks);
    out.chunkSize = uint32_t(size);
    for (size_t i = 0; i < set->tensors().size(); ++i) {
        const GgufTensor& t = set->tensors()[i].info;
        if (!t.name.ends_with(kSum)) continue;
        ImatrixEntry e;
        e.weight = std::string(t.name.substr(0, t.name.size() - kSum.size()));
        const std::string place = fmt::format("{}: '{}'", file.string(), e.weight);
        const size_t counts = set->find(e.weight + std::string(kCounts));
        if (counts == GgufSet::npos) return Error::corrupt("has no counts", place);
        QS_TRY(e.sum2, readFloats(*set, i, place));
        QS_TRY(e.counts, readFloats(*set, counts, place));
        e.channels = e.counts.empty() ? 0 : e.sum2.size() / e.counts.size();
        QS_CHECK(checkEntry(e, place));
        out.entries.push_back(std::move(e));
    }
    return out;
}

// --- the older format ---

class Cursor {
public:
    Cursor(std::span<const std::byte> bytes, std::string where) : bytes_(bytes), where_(std::move(where)) {}

    bool atEnd() const { return at_ == bytes_.size(); }
    /// 0 .. most
    Result<int32_t> number(const char* what, int32_t most) {
        QS_TRY(const auto bytes, take(4, what));
        int32_t v = 0;
        std::memcpy(&v, bytes.data(), 4);
        if (v < 0 || v > most)
            return Error::corrupt(fmt::format("{} must be 0 to {}, got {}", what, most, v), place());
        return v;
    }
    Result<std::string> text(const char* what) {
        QS_TRY(const int32_t length, number(what, kMostName));
        QS_TRY(const auto bytes, take(size_t(length), what));
        std::string out(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        if (findBadUtf8(out) != std::string::npos)
            return Error::corrupt(fmt::format("{} must be UTF-8", what), place());
        return out;
    }
    Result<std::vector<float>> floats(size_t count) {
        QS_TRY(const auto bytes, take(count * sizeof(float), "values"));
        std::vector<float> out(count);
        if (count) std::memcpy(out.data(), bytes.data(), bytes.size());
        return out;
    }
    std::string place() const { return fmt::format("{}: byte {}", where_, at_); }

private:
    Result<std::span<const std::byte>> take(size_t size, const char* what) {
        if (size > bytes_.size() - at_)
            return Error::corrupt(
                fmt::format("{} needs {} bytes, {} are left", what, size, bytes_.size() - at_), place());
        at_ += size;
        return bytes_.subspan(at_ - size, size);
    }
    std::span<const std::byte> bytes_;
    std::string where_;
    size_t at_ = 0;
};

/// Values are means times calls; without the number of tokens of a call, a call counts as one.
Result<ImatrixEntry> readEntry(Cursor& in) {
    ImatrixEntry e;
    QS_TRY(e.weight, in.text("a name's length"));
    QS_TRY(const int32_t calls, in.number("the number of calls", INT32_MAX));
    QS_TRY(const int32_t values, in.number("the number of values", int32_t(kMostValues)));
    QS_TRY(e.sum2, in.floats(size_t(values)));
    e.channels = e.sum2.size();
    e.counts = {float(calls)};
    QS_CHECK(checkEntry(e, in.place()));
    return e;
}

Result<Imatrix> readLegacy(std::span<const std::byte> bytes, const std::string& where) {
    Cursor in(bytes, where);
    Imatrix out;
    QS_TRY(const int32_t entries, in.number("the number of entries", kMostEntries));
    for (int32_t i = 0; i < entries; ++i) {
        QS_TRY(ImatrixEntry e, readEntry(in));
        out.entries.push_back(std::move(e));
    }
    if (in.atEnd()) return out; // files from before chunks were recorded
    QS_TRY(const int32_t chunks, in.number("the number of chunks", INT32_MAX));
    out.chunks = uint32_t(chunks);
    if (in.atEnd()) return out;
    QS_TRY(std::string dataset, in.text("the dataset's length"));
    if (!dataset.empty()) out.datasets.push_back(std::move(dataset));
    if (!in.atEnd()) return Error::corrupt("more bytes than entries", in.place());
    return out;
}

// --- modules ---

/// Where a target's sums lie: an entry's name, and which of its experts.
struct EntryPlace {
    std::string weight;
    size_t expert = 0;
};

std::optional<EntryPlace> placeOf(const GgufArchitecture& architecture, const QuantTarget& target) {
    const std::string& tensor = target.place.tensor;
    const size_t dot = tensor.rfind('.');
    if (dot == std::string::npos || tensor.substr(dot) != ".weight") return std::nullopt;
    GgufNumbers numbers;
    const GgufName* rule = ggufRuleOfHf(architecture, std::string_view(tensor).substr(0, dot), numbers);
    if (!rule) return std::nullopt;
    const bool stacked = rule->change == GgufChange::Experts;
    return EntryPlace{fillGgufName(rule->gguf, numbers) + ".weight", stacked ? size_t(numbers.value[1]) : 0};
}

Result<const GgufArchitecture*> architectureOf(const Model& model) {
    if (const GgufArchitecture* a = ggufArchitectureOf(model)) return a;
    return Error::unsupported("llama.cpp has no architecture for this model, so its names are not known",
                              model.checkpoint().displayName());
}

std::vector<uint64_t> rowsOf(const ImatrixEntry& e, size_t cols) {
    if (e.experts() == 1) return {1, cols};
    return {e.experts(), cols};
}

GgufItem floatItem(std::string name, std::vector<uint64_t> shape, const std::vector<float>& values) {
    return {std::move(name), ggmlType(0), std::move(shape),
            [&values](std::span<std::byte> out) { return fromFloat(values, DType::F32, out); }};
}

} // namespace

Result<Imatrix> readImatrix(const fs::path& file) {
    QS_TRY(const auto map, MappedFile::open(file));
    Imatrix out;
    if (hasGgufMagic(map->bytes())) {
        QS_TRY(out, readGguf(file));
    } else {
        QS_TRY(out, readLegacy(map->bytes(), file.string()));
    }
    QS_CHECK(checkUnique(out, file.string()));
    return out;
}

Result<std::vector<ModuleImportance>> moduleImportance(const Imatrix& imatrix, const Model& model) {
    QS_TRY(const GgufArchitecture* architecture, architectureOf(model));
    std::map<std::string_view, const ImatrixEntry*> byName;
    for (const ImatrixEntry& e : imatrix.entries)
        byName.emplace(e.weight, &e);
    std::vector<ModuleImportance> out;
    for (const QuantTarget& t : model.targets()) {
        const auto place = placeOf(*architecture, t);
        const auto it = place ? byName.find(place->weight) : byName.end();
        if (it == byName.end()) continue;
        const ImatrixEntry& e = *it->second;
        // The older format has one count for all experts, so that only the model tells how many there are.
        const bool joined = e.experts() == 1 && e.channels > t.cols && e.channels % t.cols == 0;
        const size_t experts = joined ? e.channels / t.cols : e.experts();
        if (e.sum2.size() != experts * t.cols || place->expert >= experts)
            return Error::invalid(fmt::format("{} inputs of {} experts, {} has {} inputs and is expert {}",
                                              e.channels, e.experts(), t.module, t.cols, place->expert),
                                  e.weight);
        const float* first = e.sum2.data() + place->expert * t.cols;
        out.push_back({t.module, {first, first + t.cols}, e.counts[joined ? 0 : place->expert]});
    }
    if (out.empty())
        return Error::invalid(
            fmt::format("none of the {} entries belongs to this model", imatrix.entries.size()),
            model.checkpoint().displayName());
    return out;
}

Result<std::shared_ptr<const ImportanceFile>> ImportanceFile::open(const fs::path& file, const Model& model) {
    auto out = std::make_shared<ImportanceFile>();
    out->file = file;
    QS_TRY(out->fingerprint, sha256OfFile(file));
    QS_TRY(const Imatrix imatrix, readImatrix(file));
    auto modules = moduleImportance(imatrix, model);
    if (!modules) return modules.takeError().at(file.string());
    for (ModuleImportance& m : *modules)
        out->modules.emplace(m.module, std::move(m));
    return std::shared_ptr<const ImportanceFile>(std::move(out));
}

Result<Imatrix> imatrixOf(const Calibration& calibration, const Model& model, const JobContext& job) {
    QS_CHECK(calibration.requireFor(model));
    QS_TRY(const GgufArchitecture* architecture, architectureOf(model));
    Imatrix out;
    out.datasets = {calibration.info().source};
    out.chunks = uint32_t(calibration.tokens().rows());
    out.chunkSize = uint32_t(calibration.tokens().cols());
    std::map<std::string, size_t> byName;
    std::string site;
    std::vector<float> diagonal;
    const auto& targets = model.targets();
    for (size_t i = 0; i < targets.size(); ++i) {
        QS_CHECK(job.checkpoint());
        job.report("Read the second moments", double(i), double(targets.size()));
        const auto place = placeOf(*architecture, targets[i]);
        const SiteRecord* record = calibration.find(targets[i].site);
        if (!place || !record) continue;
        if (site != targets[i].site) { // several linears read one
            QS_TRY(const MatrixD sigma, calibration.sigma(targets[i].site));
            diagonal.resize(sigma.rows());
            for (size_t c = 0; c < diagonal.size(); ++c)
                diagonal[c] = float(sigma(c, c));
            site = targets[i].site;
        }
        const auto [it, first] = byName.try_emplace(place->weight, out.entries.size());
        if (first) out.entries.push_back({place->weight, diagonal.size(), {}, {}});
        ImatrixEntry& e = out.entries[it->second];
        if (place->expert < e.experts()) continue; // linears that are fused in llama.cpp
        e.counts.resize(place->expert + 1, 0.0f);
        e.sum2.resize(e.counts.size() * e.channels, 0.0f);
        e.counts.back() = float(record->tokens);
        std::copy(diagonal.begin(), diagonal.end(), e.sum2.end() - std::ptrdiff_t(e.channels));
    }
    if (out.entries.empty())
        return Error::invalid("the calibration has no second moments of this model's linears",
                              calibration.file().string());
    return out;
}

Result<void> writeImatrix(const fs::path& file, const Imatrix& imatrix) {
    QS_CHECK(checkUnique(imatrix, file.string()));
    GgufFields fields;
    fields.text("general.type", "imatrix");
    fields.texts("imatrix.datasets", imatrix.datasets);
    fields.u32("imatrix.chunk_count", imatrix.chunks);
    fields.u32("imatrix.chunk_size", imatrix.chunkSize);
    std::vector<GgufItem> items;
    for (const ImatrixEntry& e : imatrix.entries) {
        QS_CHECK(checkEntry(e, e.weight));
        items.push_back(floatItem(e.weight + std::string(kSum), rowsOf(e, e.channels), e.sum2));
        items.push_back(floatItem(e.weight + std::string(kCounts), rowsOf(e, 1), e.counts));
    }
    const auto parts = ggufParts(file.stem().string(), fields, items, 0);
    return writeGguf(file, parts.front(), items, JobContext());
}

} // namespace qs
