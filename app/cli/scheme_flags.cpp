// SPDX-License-Identifier: Apache-2.0
#include "app/cli/scheme_flags.h"

#include "app/cli/command.h"

#include <fmt/format.h>

namespace qs::cli {

namespace {

constexpr const char* kKeep = "keep";

template<class Entries>
std::vector<std::string> idsOf(const Entries& entries) {
    std::vector<std::string> ids;
    for (const auto* entry : entries)
        ids.push_back(entry->id);
    return ids;
}

std::string joined(const std::vector<std::string>& ids) {
    return fmt::format("{}", fmt::join(ids, ", "));
}

template<class Entries>
const auto& entryOf(const Entries& entries, const std::string& id) {
    for (const auto* entry : entries)
        if (entry->id == id) return *entry;
    throw CLI::ValidationError(id, "is not registered");
}

} // namespace

void SchemeFlags::declare(CLI::App& app) {
    const std::string group = "Scheme";
    app.add_option("--recipe", recipeFile_, "Recipe file (JSON) instead of one scheme for every linear")
        ->type_name("FILE")
        ->group(group);
    std::vector<std::string> formats = idsOf(codecs());
    formats.push_back(kKeep);
    codecOption_ = app.add_option("--codec", codec_,
                                  "Number format: " + joined(formats) +
                                      " (keep: nothing is quantized, for exports that only convert)")
                       ->type_name("ID")
                       ->capture_default_str();
    codecOption_->check(CLI::IsMember(formats))->group(group);
    methodOption_ = app.add_option("--method", method_, "How codes are chosen: " + joined(idsOf(methods())))
                        ->type_name("ID")
                        ->capture_default_str();
    methodOption_->check(CLI::IsMember(idsOf(methods())))->group(group);
    seedOption_ = app.add_option("--seed", seed_, "Seed of everything random")->capture_default_str();
    seedOption_->group(group);
    for (const CodecDescriptor* codec : codecs())
        flags_.addOwner("codec " + codec->id, codec->params);
    for (const MethodDescriptor* method : methods())
        flags_.addOwner("method " + method->id, method->params);
    flags_.declare(app, "Parameters of codecs and methods");
    app.parse_complete_callback([this] { check(); });
}

void SchemeFlags::check() {
    if (!recipeFile_.empty()) {
        for (const CLI::Option* option : {codecOption_, methodOption_})
            if (option->count() > 0) refuseUsage(option->get_name(), "cannot be combined with --recipe");
        flags_.refuseOthers({"the recipe given by --recipe"});
        return;
    }
    if (codec_ == kKeep) {
        if (methodOption_->count() > 0)
            refuseUsage(methodOption_->get_name(), "cannot be combined with --codec keep");
        flags_.refuseOthers({"--codec keep"});
        return;
    }
    flags_.refuseOthers({"codec " + codec_, "method " + method_});
    scheme_.codec = codec_;
    scheme_.method = method_;
    scheme_.codecParams = flags_.valuesFor(entryOf(codecs(), codec_).params);
    scheme_.methodParams = flags_.valuesFor(entryOf(methods(), method_).params);
}

Result<Recipe> SchemeFlags::recipe() const {
    if (recipeFile_.empty() && codec_ == kKeep) return Recipe{.name = "keep", .rules = {}, .seed = seed_};
    if (recipeFile_.empty()) return Recipe::uniform(scheme_, seed_);
    QS_TRY(Recipe recipe, Recipe::load(recipeFile_));
    if (seedOption_->count() > 0) recipe.seed = seed_;
    return recipe;
}

} // namespace qs::cli
