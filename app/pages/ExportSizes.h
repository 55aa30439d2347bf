// SPDX-License-Identifier: GPL-3.0-or-later
// The exact size of the complete run in every format, and the memory it takes in a runtime.
#pragma once

#include "app/pages/ExportMemory.h"
#include "app/session/Session.h"

#include <QTableView>
#include <QTimer>

class QStandardItem;
class QStandardItemModel;

namespace qs::app {

class ExportSizes : public QTableView {
    Q_OBJECT
public:
    explicit ExportSizes(Session* session, QWidget* parent = nullptr);
    /// Asks again, on the light pool.
    void refresh();
    /// For whom and how much the memory is.
    void setChoice(const MemoryChoice& choice);
    /// That of one format; what to do when there is no run.
    ui::StackedBarDataPtr barOf(const QString& exporter) const;

signals:
    void sizesChanged();

protected:
    void resizeEvent(QResizeEvent* event) override;
    void showEvent(QShowEvent* event) override;

private:
    void fit();
    void showSizes(std::vector<Result<uint64_t>> sizes);
    void fill();
    void addRow(size_t exporter);
    void addMemory(const ExporterDescriptor& exporter, uint64_t bytes, QList<QStandardItem*>& items) const;
    void arrange();

    Session* m_session;
    QStandardItemModel* m_model;
    QTimer m_fitLater; ///< once, however many sections are resized
    MemoryChoice m_choice;
    std::vector<Result<uint64_t>> m_sizes; ///< per exporter; empty: not known
};

} // namespace qs::app
