// SPDX-License-Identifier: GPL-3.0-or-later
// Lens: one tensor under the glass. Shows what the run wrote or the recipe would write, and what-ifs with
// another range, each with its report; a coarse one from some rows at once, the exact one behind it. All work
// is done on the light pool, latest wins. Nothing here changes the recipe. GUI thread only.
#pragma once

#include "app/session/Comparison.h"
#include "app/session/Session.h"
#include "core/quant/quant_report.h"

namespace qs::app {

/// What all pictures of one tensor share. Immutable.
struct LensSource {
    std::shared_ptr<const Model> model;
    int target = -1;
    std::shared_ptr<const Scheme> scheme; ///< null: kept
    Matrix weight;                        ///< as the run's transforms left it
    TensorScaling scaling;                ///< of those transforms; no factors: the weight is the model's
    std::optional<SigmaWeights> sigma;    ///< of the calibration, scaled alike; empty: no output error
};

/// One quantization of the tensor.
struct LensView {
    QuantizedTarget quantized; ///< tensor null: kept
    RangeChoice range;         ///< of the recipe or the what-if
    double clip = 1; ///< how far the grids reach, as a share of the min-max grids': mean over groups
    QuantReport report;
    size_t rowStep = 1; ///< every n-th row only; 1: all of them
    double milliseconds = 0;
};
using LensViewPtr = std::shared_ptr<const LensView>;

/// The scheme with another range: by its method's own parameters where it has them, else rounded to nearest.
Result<Scheme> withRange(const Scheme& scheme, RangeChoice range);

class Lens : public QObject {
    Q_OBJECT
public:
    explicit Lens(Session* session, QObject* parent = nullptr);

    /// The tensor to show; -1 for none. Reads it unless it is shown already under the same scheme, run and
    /// calibration.
    void show(int target);
    int target() const { return m_target; }
    /// Null while reading. `note` says why when it cannot be shown.
    std::shared_ptr<const LensSource> source() const { return m_source; }
    const QString& note() const { return m_note; }

    /// Round to nearest on min-max grids: what others are measured against. Null when kept.
    LensViewPtr baseline() const { return m_baseline; }
    /// What the run wrote or the recipe says.
    LensViewPtr original() const { return m_original; }
    /// The picture in front: the original, or a what-if.
    LensViewPtr now() const { return m_now; }
    /// What was in front when the present drag began; null when nothing was dragged.
    LensViewPtr before() const { return m_before; }
    /// What Escape returns to; code units are counted on its grid.
    LensViewPtr kept() const { return m_kept; }
    /// A what-if that the recipe does not say is in front.
    bool isWhatIf() const { return m_now && m_now != m_original; }
    /// The exact picture is still being made; 0..1, -1 when nothing is.
    double progress() const;

    /// Another range, in front as soon as it is there.
    void tryRange(RangeChoice range);
    /// The range that was asked for last.
    RangeChoice range() const { return m_range; }
    /// Enter: what is asked for becomes what Escape returns to, and code units are counted on its grid.
    void keep();
    /// Escape: back to what was kept.
    void restore();
    /// Back to the recipe or the run.
    void reset();

signals:
    void changed(); ///< any of the pictures
    void progressChanged();

private:
    struct Opened;
    void open();
    void post(size_t rowStep);
    void adopt(LensViewPtr view);
    void watch(JobHandle* job);

    Session* m_session;
    int m_target = -1;
    struct Asked {
        std::shared_ptr<const Model> model;
        std::shared_ptr<const Scheme> scheme;
        std::shared_ptr<const Run> run;
        std::shared_ptr<const Calibration> calibration;
        int target = -1;
        bool operator==(const Asked&) const = default;
    } m_asked;
    std::shared_ptr<const LensSource> m_source;
    QString m_note;
    LensViewPtr m_baseline, m_original, m_now, m_before, m_kept;
    RangeChoice m_range;
    bool m_keeping = false; ///< the picture that is being made will be the kept one
    QPointer<JobHandle> m_job;
};

} // namespace qs::app
