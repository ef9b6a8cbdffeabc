# docs: pages that ship, and the man pages (dist_man_MANS += docs/larder.1)
