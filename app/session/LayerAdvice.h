// SPDX-License-Identifier: GPL-3.0-or-later
// LayerAdvice: what a layer card is made of. Quantizes the current tensor, or some of its rows, under its
// scheme and under a few better ones, on the light pool. GUI thread only.
#pragma once

#include "app/session/Session.h"
#include "core/metrics/layer_card.h"
#include "widgets/models/SchemeEdit.h"

namespace qs::app {

/// A scheme that might serve the tensor better.
struct LayerOption {
    QString label;                   ///< "Raise to 5 bits"
    ui::SchemeEdit edit;             ///< applied to this tensor alone
    qint64 bytesChange = 0;          ///< of the stored payload, exact
    double error = ui::kNotMeasured; ///< relative, squared; of the output when the advice says so
    QString note;                    ///< why the error is not known
};

struct LayerAdviceResult {
    int target = -1;
    std::vector<LayerFinding> findings;
    std::vector<LayerOption> options;
    double errorNow = ui::kNotMeasured; ///< what the options are measured against
    bool outputError = false;
    bool tooWide = false; ///< Sigma is too large for a preview: errors are of the weights
    bool nearest = false; ///< everything was rounded to nearest: the scheme's own method cannot run yet
    size_t rows = 0, rowsUsed = 0;
};

/// Options for a tensor under `scheme`: more bits, smaller groups, a method that is promised not to be worse,
/// a searched range, no quantization. Errors are not filled in.
std::vector<LayerOption> layerOptions(const Scheme& scheme, const QuantTarget& target, quint64 storedBytes,
                                      const QString& sourceType, bool calibrated);

class LayerAdvice : public QObject {
    Q_OBJECT
public:
    /// Rows are left out until at most so many weights remain.
    static constexpr size_t kMostWeights = size_t(1) << 20;
    /// Options that cost more are offered without their error.
    static constexpr double kMostFlops = 5e10;

    explicit LayerAdvice(Session* session, QObject* parent = nullptr);
    /// -1 for none. Computed once per scheme, statistics and calibration.
    void show(int target);
    /// Of the target shown; null while it is made or when it cannot be.
    std::shared_ptr<const LayerAdviceResult> result() const { return m_result; }
    const QString& note() const { return m_note; }

signals:
    void changed();

private:
    struct Asked {
        std::shared_ptr<const Model> model;
        std::shared_ptr<const Scheme> scheme;
        std::shared_ptr<const Calibration> calibration;
        int target = -1;
        bool scanned = false;
        bool operator==(const Asked&) const = default;
    };
    Session* m_session;
    Asked m_asked;
    std::shared_ptr<const LayerAdviceResult> m_result;
    QString m_note;
};

} // namespace qs::app
