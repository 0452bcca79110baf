/* hier.c - what would be installed. */
void hier()
{
  h(auto_qmail,auto_uido,auto_gidq,0755);
  d(auto_qmail,"doc",auto_uido,auto_gidq,0755);
  c(auto_qmail,"doc","FAQ",auto_uido,auto_gidq,0644);
  c(auto_qmail,"bin","qmail-smtpd",auto_uido,auto_gidq,0755);
}
