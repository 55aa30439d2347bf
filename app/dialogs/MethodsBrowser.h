// SPDX-License-Identifier: GPL-3.0-or-later
// Everything that can be chosen, by family: methods, formats, transforms, scores and allocators, with what
// each does, its source, what it needs and which exports can hold it. All of it is what the registries say.
#pragma once

#include "app/jobs/JobLane.h"
#include "core/report/catalogue.h"

#include <QDialog>

class QLabel;
class QTreeWidget;
class QTreeWidgetItem;

namespace qs::ui {
class SearchLineEdit;
}

namespace qs::app {

class MethodsBrowser : public QDialog {
    Q_OBJECT
public:
    enum Column { Name, Id, NeedsColumn, ExportsColumn, ColumnCount };

    /// Which exports hold what is found on `pool`, which must live as long.
    explicit MethodsBrowser(LightPool* pool, QWidget* parent = nullptr);
    /// Shows the one of `window`, made when there is none; not modal.
    static MethodsBrowser* popUp(LightPool* pool, QWidget* window);

    ui::SearchLineEdit* filter() const { return m_filter; }
    QTreeWidget* tree() const { return m_tree; }
    QLabel* details() const { return m_details; }
    /// Entries that the filter lets through.
    int shownCount() const;
    bool exportsKnown() const { return bool(m_exports); }

private:
    void fill();
    void findExports(LightPool* pool);
    void applyFilter(const QString& text);
    void showDetails();
    QString exportsOf(size_t entry) const;
    QString shortExports(size_t entry) const; ///< "all" where all do
    QString textOf(size_t entry) const;       ///< all that the filter looks at

    std::shared_ptr<const CatalogueExports> m_exports;
    QString m_problem; ///< why exports are not known
    ui::SearchLineEdit* m_filter;
    QLabel* m_count;
    QTreeWidget* m_tree;
    QLabel* m_details;
    std::vector<QTreeWidgetItem*> m_items; ///< by entry
};

} // namespace qs::app
