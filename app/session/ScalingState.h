// SPDX-License-Identifier: GPL-3.0-or-later
// What the Scaling view shows: the runs of this model that were measured on one text, by total bits and KL;
// the loss to expect of quantizing; what 4-bit inputs would take. GUI thread only; runs are read and inputs
// rounded on the light pool.
#pragma once

#include "app/session/JudgeSet.h"
#include "core/report/four_bit_inputs.h"
#include "core/report/scaling_laws.h"

namespace qs::app {

struct ScalingPoint {
    SizedQuality at; ///< quality: KL from the original, nats per token
    QString name;    ///< "B · run 3f2a91"
    QString summary; ///< what its plan does
    char letter = 0; ///< of a run that is compared; 0: another one in the cache
    double bitsPerWeight = 0;
    double klStderr = 0, nll = 0, nllStderr = 0;
};

struct ScalingRuns {
    std::vector<ScalingPoint> points; ///< [0] is the original
    KBitLaw law;
    QString protocol;
    int elsewhere = 0; ///< compared runs that were measured on another text, or not at all
};

class ScalingState : public QObject {
    Q_OBJECT
public:
    ScalingState(Session* session, const JudgeSet* set, QObject* parent = nullptr);

    /// Reads what is out of date; changed() follows. To be called while somebody looks.
    void update();
    /// Null while there is no measured run.
    std::shared_ptr<const ScalingRuns> runs() const { return m_runs; }
    /// Null without a calibration, and while inputs are being rounded.
    std::shared_ptr<const FourBitReport> fourBit() const { return m_fourBit; }
    /// Why there is none, "" while it is being made.
    QString fourBitProblem() const;
    /// Parameters without embeddings; 0 when not known.
    uint64_t parameters() const { return m_parameters; }
    /// 0: not given. Remembered in the model's cache.
    double trainingTokens() const { return m_trainingTokens; }
    void setTrainingTokens(double tokens);
    /// At 2, 3 and 4 bits and at the widths of the runs; empty without tokens or parameters.
    std::vector<std::pair<int, QidEstimate>> degradation() const;

signals:
    void outdated(); ///< call update()
    void changed();

private:
    void markRuns();
    void markCalibration();
    void onModelChanged();
    void readRuns();
    void roundInputs();
    void readTokens();

    Session* m_session;
    const JudgeSet* m_set;
    std::shared_ptr<const ScalingRuns> m_runs;
    std::shared_ptr<const FourBitReport> m_fourBit;
    QString m_problem;
    uint64_t m_parameters = 0;
    double m_trainingTokens = 0;
    bool m_runsOld = true, m_inputsOld = true;
};

} // namespace qs::app
