// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"
#include "app/cli/text.h"
#include "core/export/rotate_model.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

namespace {

struct RotateCommand {
    std::string model, output, rotation = "hadamard", dtype, calibration;
    uint64_t seed = 0;
    bool heads = false;
    BackendOptions backend;
};

const std::map<std::string, DType> kTypes = {{"f16", DType::F16}, {"bf16", DType::BF16}, {"f32", DType::F32}};

const RotationInfo& infoOf(const RotateCommand& o) {
    const auto found = findRotation(o.rotation);
    if (!found) refuseUsage("--rotation", found.error().message);
    return **found;
}

void checkRotate(const RotateCommand& o) {
    const bool needs = infoOf(o).needsMoments;
    if (needs && o.calibration.empty())
        refuseUsage("--calibration", fmt::format("--rotation {} needs one, made by calibrate", o.rotation));
    if (!needs && !o.calibration.empty())
        refuseUsage("--calibration", fmt::format("is not used by --rotation {}", o.rotation));
}

void show(Console& out, const RotateCommand& o, const RotatedModel& made) {
    Fields f;
    f.add("Rotated copy", made.directory.string());
    f.add("Rotation",
          fmt::format("{}, seed {}{}", o.rotation, o.seed, o.heads ? ", values of heads too" : ""));
    f.add("Tensors changed", std::to_string(made.tensors));
    f.add("Weight files", humanBytes(made.bytes));
    if (made.headBytes)
        f.add("Output head",
              humanBytes(made.headBytes) + " more: it can no longer share the embedding's tensor");
    f.add("Logits differ by", number(made.difference) + " of their root mean square");
    out.text(f.text());
    out.result({{"directory", made.directory.string()},
                {"rotation", o.rotation},
                {"seed", o.seed},
                {"heads", o.heads},
                {"tensors", made.tensors},
                {"bytes", made.bytes},
                {"untied_head_bytes", made.headBytes},
                {"logit_difference", made.difference}});
}

Result<void> rotate(Session& session, const RotateCommand& o) {
    RotateRequest request;
    QS_TRY(request.model, openModel(o.model));
    request.directory = o.output;
    request.kind = infoOf(o).kind;
    request.seed = o.seed;
    request.heads = o.heads;
    if (!o.dtype.empty()) request.dtype = kTypes.at(o.dtype);
    request.calibration = o.calibration;
    QS_TRY(const auto backend, o.backend.make());
    QS_TRY(const RotatedModel made, rotateModel(request, *backend, session.job));
    show(session.console, o, made);
    return {};
}

} // namespace

void addRotate(Commands& commands) {
    auto o = std::make_shared<RotateCommand>();
    CLI::App& app = commands.add(
        "rotate", "Write a copy of a model that computes the same with no channel standing out",
        {"rotate MODEL --output rotated", "rotate MODEL --output rotated --heads --dtype f32 --seed 1",
         "rotate MODEL --output rotated --rotation klt --calibration calibration.h5 --json"},
        [o](Session& session) { return rotate(session, *o); });
    app.add_option("model", o->model, "Hugging Face folder of a model that is not quantized")->required();
    app.add_option("--output,-o", o->output, "Folder to make; must not exist, or be empty")
        ->required()
        ->type_name("FOLDER");
    std::vector<std::string> ids;
    std::string kinds;
    for (const RotationInfo& kind : rotationKinds()) {
        ids.push_back(kind.id);
        kinds += fmt::format("{}{}: {}", kinds.empty() ? "" : "; ", kind.id, kind.summary);
    }
    app.add_option("--rotation", o->rotation, kinds)
        ->type_name("ID")
        ->capture_default_str()
        ->check(CLI::IsMember(ids));
    app.add_option("--seed", o->seed, "Of the random numbers")->capture_default_str();
    app.add_flag("--heads", o->heads, "Also rotate the values inside every attention head");
    app.add_option("--dtype", o->dtype, "Type of the tensors that change: f16, bf16 or f32 [the model's]")
        ->type_name("TYPE")
        ->check(CLI::IsMember({"f16", "bf16", "f32"}));
    app.add_option("--calibration", o->calibration, "Calibration of the model, for --rotation klt")
        ->type_name("FILE");
    o->backend.add(app);
    app.parse_complete_callback([o = o.get()] { checkRotate(*o); });
}

} // namespace qs::cli
