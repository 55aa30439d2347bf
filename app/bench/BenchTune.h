// SPDX-License-Identifier: GPL-3.0-or-later
// The Tune workspace with 10,000 linears: dragging the bits of one and of all, and solving. Damages are made
// up: measuring them would take hours, and nothing that is timed depends on them.
#pragma once

#include "app/bench/BenchScript.h"

namespace qs::app {

class MainWindow;
class TuneState;

class BenchTune : public QObject {
public:
    /// `folder`: where the model is written. All must live as long.
    BenchTune(MainWindow* window, BenchScript* script, BenchReport* report, QString folder);
    /// Adds the steps to the script.
    void add();

private:
    TuneState* state() const;
    void writeModel();
    /// A table as a measurement leaves it beside the model's other results.
    void writeTable();
    void drag(const QByteArray& name);
    void solve();

    MainWindow* m_window;
    BenchScript* m_script;
    BenchReport* m_report;
    QString m_folder;
    double m_pressedAt = 0;
    int m_solved = 0, m_expected = 0;
};

} // namespace qs::app
