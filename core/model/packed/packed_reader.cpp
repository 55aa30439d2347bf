// SPDX-License-Identifier: Apache-2.0
// Which layout a module is stored in, by the names and types of its tensors, and the table of layouts.
#include "core/model/packed/layouts.h"
#include "core/model/packed/packed_inputs.h"

#include <fmt/format.h>
#include <mutex>

namespace qs {

namespace {

bool isEightBit(DType type) {
    return type == DType::I8 || type == DType::U8 || type == DType::F8E4M3 || type == DType::F8E5M2;
}

DType typeOf(const PackedParts& parts, std::string_view part) {
    return parts.tensor(parts.find(part)).dtype;
}

bool isBnb(const PackedParts& parts) {
    return parts.has("weight.absmax") || parts.has("weight.quant_state.bitsandbytes__nf4") ||
           parts.has("weight.quant_state.bitsandbytes__fp4");
}

/// Packed somehow: what decides whether settings are looked for at all.
bool isPacked(const PackedParts& parts) {
    if (parts.has("qweight") || parts.has("weight_packed")) return true;
    return parts.has("weight") && (isEightBit(typeOf(parts, "weight")) || isBnb(parts));
}

/// One row a layout; the first that matches is asked. Preconditions of later rows: none of the earlier ones.
struct Layout {
    bool (*matches)(const PackedParts& parts, const PackedSettings& settings);
    PackedResult (*open)(const PackedParts& parts, const PackedSettings& settings);
};

constexpr Layout kLayouts[] = {
    {[](const PackedParts& p, const PackedSettings& s) {
         return p.has("qweight") && std::holds_alternative<AwqSettings>(s.method);
     },
     openAwq},
    {[](const PackedParts& p, const PackedSettings&) { return p.has("qweight"); }, openGptq},
    {[](const PackedParts& p, const PackedSettings&) {
         return p.has("weight_packed") && typeOf(p, "weight_packed") == DType::U8;
     },
     openCtFp4},
    {[](const PackedParts& p, const PackedSettings&) { return p.has("weight_packed"); }, openCtPack},
    {[](const PackedParts& p, const PackedSettings& s) {
         return isBnb(p) ||
                (typeOf(p, "weight") == DType::U8 && std::holds_alternative<BnbSettings>(s.method));
     },
     openBnbNf4},
    {[](const PackedParts& p, const PackedSettings&) { return typeOf(p, "weight") == DType::I8; }, openCtInt},
    {[](const PackedParts& p, const PackedSettings&) { return typeOf(p, "weight") != DType::U8; },
     openFloat8},
};

PackedResult openPacked(const PackedParts& parts, const PackedSettings& settings) {
    const char* packed = parts.has("qweight") ? "qweight" : "weight_packed";
    if (parts.has("weight") && parts.has(packed))
        return Error::corrupt(fmt::format("has both weight and {}", packed), parts.module());
    for (const Layout& layout : kLayouts)
        if (layout.matches(parts, settings)) return layout.open(parts, settings);
    return Error::unsupported(fmt::format("{} is U8, which quant_method \"{}\" does not write",
                                          parts.nameOf("weight"), settings.methodName),
                              settings.where);
}

} // namespace

Result<void> requireNotSkipped(const PackedParts& parts, const std::vector<std::string>& skip,
                               const PackedSettings& settings, const char* field) {
    const std::string* entry = findSkipEntry(skip, parts.module());
    if (!entry) return {};
    return Error::corrupt(
        fmt::format("is packed, but {}.{} names it (\"{}\")", settings.where, field, *entry), parts.module());
}

struct PackedReader::Settings {
    std::once_flag once;
    std::optional<Result<PackedSettings>> parsed;
};

PackedReader::PackedReader(const Checkpoint& checkpoint)
    : checkpoint_(checkpoint), settings_(std::make_unique<Settings>()) {}

PackedReader::~PackedReader() = default;

const Result<PackedSettings>& PackedReader::settings() const {
    std::call_once(settings_->once, [&] { settings_->parsed.emplace(readPackedSettings(checkpoint_)); });
    return *settings_->parsed;
}

Result<std::unique_ptr<PackedLinear>> PackedReader::find(const std::string& module) const {
    const PackedParts parts(checkpoint_, module);
    if (!isPacked(parts)) return std::unique_ptr<PackedLinear>();
    const Result<PackedSettings>& all = settings();
    if (!all) return Error(all.error()).at(module);
    QS_TRY(auto linear, openPacked(parts, *all));
    // A rounding that is not done here does not keep weights from being looked at.
    if (const auto inputs = packedInputs(parts, *all, linear->info()); !inputs)
        linear->info_.label += ", inputs not as its runtime has them";
    else if (inputs->rounder)
        linear->info_.label += ", inputs " + inputs->words;
    return linear;
}

Result<std::shared_ptr<const RowRounder>> PackedReader::inputRounder(const std::string& module) const {
    QS_TRY(const auto linear, find(module));
    if (!linear) return std::shared_ptr<const RowRounder>();
    QS_TRY(PackedInputs inputs, packedInputs(PackedParts(checkpoint_, module), *settings(), linear->info()));
    return std::move(inputs.rounder);
}

std::vector<std::string> PackedReader::modules() const {
    std::vector<std::string> out;
    for (const TensorInfo& t : checkpoint_.tensors())
        for (std::string_view ending : {".qweight", ".weight_packed", ".weight"}) {
            if (t.name.size() <= ending.size() || !t.name.ends_with(ending)) continue;
            std::string module = t.name.substr(0, t.name.size() - ending.size());
            const PackedParts parts(checkpoint_, module);
            // A damaged module may have several of these: it counts once.
            const char* first = parts.has("qweight")         ? ".qweight"
                                : parts.has("weight_packed") ? ".weight_packed"
                                                             : ".weight";
            if (ending == first && isPacked(parts)) out.push_back(std::move(module));
            break;
        }
    return out;
}

} // namespace qs
