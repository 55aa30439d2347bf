// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/bench/BenchTune.h"

#include "app/MainWindow.h"
#include "app/bench/BenchInputs.h"
#include "app/bench/LargeModel.h"
#include "app/pages/TunePage.h"
#include "widgets/editors/StopSlider.h"
#include "widgets/views/SegmentedButtons.h"

#include <QDir>
#include <QDoubleSpinBox>
#include <QPushButton>
#include <cmath>

namespace qs::app {

namespace {

const LargeModelShape kShape{40, 82, 256, 128}; // 10,000 linears
constexpr int kDrags = 60, kSolves = 4;

} // namespace

BenchTune::BenchTune(MainWindow* window, BenchScript* script, BenchReport* report, QString folder)
    : m_window(window), m_script(script), m_report(report), m_folder(std::move(folder)) {
    connect(state(), &TuneState::solved, this, [this] {
        ++m_solved;
        m_report->solveMs = std::max(m_report->solveMs, steadyMs() - m_pressedAt);
    });
}

TuneState* BenchTune::state() const {
    return m_window->tunePage()->state();
}

void BenchTune::writeModel() {
    QDir().mkpath(m_folder);
    if (const auto made = writeLargeModel(m_folder.toStdString(), kShape); !made)
        qFatal("%s", made.error().describe().c_str());
}

void BenchTune::writeTable() {
    const Session& session = *m_window->session();
    auto table = SensitivityTable::begin(*session.model(), state()->candidates(), 0);
    if (!table) qFatal("%s", table.error().describe().c_str());
    for (size_t r = 0; r < table->rows.size(); ++r) {
        SensitivityRow& row = table->rows[r];
        row.alpha = 1e-3 * (1 + double(r * 7919 % 1000)); // scattered over three decades
        row.alphaError = 0.05;
        for (size_t c = 0; c < row.cells.size(); ++c)
            row.cells[c].weightError = 0.1 * std::pow(0.25, double(c)); // a quarter for each bit
    }
    QDir().mkpath(session.cacheFolder());
    const auto file = (session.cacheFolder() + QStringLiteral("/sensitivity.json")).toStdString();
    if (const auto saved = table->save(file); !saved) qFatal("%s", saved.error().describe().c_str());
}

void BenchTune::add() {
    const auto linears = [this] { return m_window->session()->table()->count() == kShape.linears(); };
    m_script->call([this] {
        writeModel();
        m_window->openPath(m_folder);
    });
    m_script->waitUntil("10,000 linears are there", linears);
    m_script->call([this] {
        writeTable();
        m_window->session()->closeModel();
        m_window->openPath(m_folder);
    });
    m_script->waitUntil("their table is there", [this, linears] { return linears() && state()->table(); });
    m_script->call([this] { m_window->setWorkspace(Workspace::Tune); });
    m_script->pause(500);
    m_script->call([this] { m_window->session()->selection()->selectOne(1); });
    drag("tune.drag");
    m_script->call([this] { m_window->action(QStringLiteral("selectAll"))->trigger(); });
    drag("tune.drag_all");
    m_script->scenario("tune.solve");
    for (int k = 0; k < kSolves; ++k)
        solve();
    m_script->pause(300);
    m_script->rest();
}

/// To and fro over the stops; a frame ends when the model's chart says what it costs.
void BenchTune::drag(const QByteArray& name) {
    const auto slider = [this] { return m_window->tunePage()->tensor()->slider(); };
    m_script->pause(200);
    m_script->scenario(name);
    m_script->call([slider] { postPress(slider(), slider()->stopPosition(0)); });
    m_script->pause(200);
    m_script->frames(
        kDrags, [this] { return m_window->tunePage()->modelChart(); },
        [slider](int i) {
            const int last = int(slider()->stops().size()) - 2; // not to the checkpoint's own type
            const int stop = (i + 1) % (2 * last);
            postMove(slider(), slider()->stopPosition(stop <= last ? stop : 2 * last - stop), true);
            return true;
        });
    m_script->call([slider] { postRelease(slider(), slider()->stopPosition(0)); });
    m_script->pause(200);
}

void BenchTune::solve() {
    m_script->call([this] {
        TunePage* page = m_window->tunePage();
        page->targetButtons()->setCurrentIndex(int(TuneTarget::BitsPerWeight));
        page->budget()->setValue(3.2 + 0.4 * (m_solved % kSolves));
        m_expected = m_solved + 1;
        m_pressedAt = steadyMs();
        page->solveButton()->click();
    });
    m_script->waitUntil("it is solved", [this] { return m_solved == m_expected; });
    m_script->pause(200);
}

} // namespace qs::app
