// SPDX-License-Identifier: GPL-3.0-or-later
// One quantizable tensor as the window shows it: a flat snapshot of what the checkpoint, the recipe, the
// statistics and the run say about it. Plain data; made on the GUI thread.
#pragma once

#include "core/recipe/recipe.h"

#include <QString>
#include <limits>
#include <memory>

namespace qs::ui {

inline constexpr double kNotMeasured = std::numeric_limits<double>::quiet_NaN();

/// What happened to a tensor so far.
enum class TargetState : quint8 {
    Kept,    ///< no scheme: stays in the source format
    Planned, ///< has a scheme, no result
    Queued,  ///< part of the run in progress, not done yet
    Done,    ///< has a result of a run
    Failed,  ///< the plan says it cannot be done (an Error issue)
};

/// What a row says about its scheme: one object for all rows that share it. A large model has 100k rows and
/// few schemes.
struct SchemeInfo {
    std::shared_ptr<const Scheme> scheme; ///< null: kept in the source format
    QString format;                       ///< "int4 g128 sym", the source type when kept
    QString method;                       ///< label, "" when kept
    int bits = 0;                         ///< nominal bits, source bits when kept
    bool hasGroup = false;                ///< the codec has a group parameter
    qint64 group = 0;                     ///< inputs per scale; -1 one scale per output, 0 one for the tensor
    QString inputs; ///< what its inputs are rounded to, "" when they are left as they are
};
inline const SchemeInfo kNoScheme;

/// What views and edits go through for 100k rows stands first and fills one cache line.
struct alignas(64) TargetRow {
    const SchemeInfo* info = &kNoScheme; ///< never null; belongs to the source of the rows
    quint64 rows = 0, cols = 0;
    quint64 bytesBefore = 0, bytesAfter = 0; ///< exact, of the plan
    int block = -1;                          ///< -1: not in a block
    int expert = -1;                         ///< of a mixture of experts; -1: not of one
    int roleIndex = -1; ///< the same for rows with the same role (without one: the same name)
    int sourceBits = 16;
    TargetState state = TargetState::Kept;
    bool edited = false;     ///< scheme changed since the recipe was loaded or run
    bool stale = false;      ///< the result belongs to another scheme than the present one
    bool klStale = false;    ///< kl belongs to another scheme, transform or calibration than the present one
    bool klNearest = false;  ///< kl is of rounding to nearest: the method had no calibration to work with
    bool klUnscaled = false; ///< kl leaves out the recipe's transforms: only a run applies them
    bool different = false;  ///< planned and done differ

    QString message;    ///< rule and value of the worst issue, "" when there is none
    QString done;       ///< what the run wrote ("" without a result)
    QString module;     ///< "layers.0.self_attn.q_proj": the name used in recipes
    QString tensor;     ///< stored tensor name
    QString name;       ///< last part of the module, "q_proj"
    QString role;       ///< "q", "down", "" when unknown
    QString site;       ///< activation site, "" when unknown
    QString fusedGroup; ///< linears that runtimes fuse share it, "" when alone
    QString sourceType; ///< "BF16"; "int4 g128 asym" when the checkpoint stores codes

    // Measured values; NaN while not measured.
    double absmax = kNotMeasured, stddev = kNotMeasured, kurtosis = kNotMeasured;
    double outlierRatioWeights = kNotMeasured; ///< max / median over input channels of absmax
    double activationAbsmax = kNotMeasured, activationKurtosis = kNotMeasured;
    double outlierRatioActivations = kNotMeasured; ///< the same of the site's activations
    double weightError = kNotMeasured;             ///< ||W - W'||^2 / ||W||^2, 0..
    double outputError = kNotMeasured;             ///< tr(E S E^T) / tr(W S W^T), 0..
    double outputErrorBefore = kNotMeasured;       ///< the same of the run before
    double kl = kNotMeasured;      ///< KL(original || only this one quantized), nats per token
    double klShare = kNotMeasured; ///< kl over the sum of all that were measured, 0..1
    double tokens = kNotMeasured;  ///< of the calibration that reached it
    double maxAbsError = kNotMeasured;
    double seconds = kNotMeasured;

    bool hasScheme() const { return bool(info->scheme); }
    double weights() const { return double(rows) * double(cols); }
    /// 8 bytesAfter / weights(); 0 of an empty tensor.
    double bitsPerWeight() const { return weights() > 0 ? 8.0 * double(bytesAfter) / weights() : 0; }
};

} // namespace qs::ui
